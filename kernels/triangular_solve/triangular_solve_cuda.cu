#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/triangular_solve/strip.cuh"
#include "kernels/triangular_solve/triangular_solve.h"

namespace metatape::kernels {
namespace {

/// The matrix of a forward substitution. Read from its last row and column to the first, the
/// transpose of a lower triangle is a lower triangle: with the flag, everything is numbered so.
/// Beyond its last row it goes on as the identity; above the diagonal nothing is read.
template <bool kTranspose>
struct Triangle {
  const float* l;
  std::int64_t n;

  /// Where row i of the unknowns is stored.
  __device__ std::int64_t stored_row(std::int64_t i) const { return kTranspose ? n - 1 - i : i; }

  __device__ float at(std::int64_t i, std::int64_t j) const {
    if (i >= n || j > i) return i == j ? 1.0f : 0.0f;
    return kTranspose ? l[(n - 1 - j) * n + n - 1 - i] : l[i * n + j];
  }

  /// The tile with its corner at (first_row, first_column), by lanes that read neighbours.
  __device__ void load(std::int64_t first_row, std::int64_t first_column, Tile& tile) const {
    const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    MT_UNROLL
    for (int r = 0; r < kRowsPerThread; ++r) {
      const int along = warp + r * kStripWarps;
      const int i = kTranspose ? lane : along, j = kTranspose ? along : lane;
      tile[i][j] = at(first_row + i, first_column + j);
    }
  }
};

/// Each block solves one matrix for 32 right-hand sides, a strip after the other from the top.
template <bool kTranspose>
__global__ void __launch_bounds__(kStripThreads)
    triangular_solve_kernel(TriangularSolveArgs<float> args, std::int64_t column_blocks) {
  MT_SHARED(float, left, [kStripRows][kStripRows + 1]);
  MT_SHARED(float, right, [kStripRows][kStripRows + 1]);
  const std::int64_t n = args.n, k = args.k;
  const std::int64_t piece = blockIdx.x / column_blocks;
  const std::int64_t task = piece / args.matrices, member = piece % args.matrices;
  const Triangle<kTranspose> l{args.l + task * args.l_task_stride + member * n * n, n};
  const float* b = args.b + task * args.b_task_stride + member * n * k;
  float* x = args.x + piece * n * k;
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  const std::int64_t column = blockIdx.x % column_blocks * 32 + lane;

  for (std::int64_t begin = 0; begin < n; begin += kStripRows) {
    Strip<1> strip;
    MT_UNROLL
    for (int r = 0; r < kRowsPerThread; ++r) {
      const std::int64_t i = begin + warp + r * kStripWarps;
      strip[r][0] = i < n && column < k ? b[l.stored_row(i) * k + column] : 0;
    }
    for (std::int64_t above = 0; above < begin; above += kStripRows) {
      l.load(begin, above, left);
      MT_UNROLL
      for (int r = 0; r < kRowsPerThread; ++r) {
        const int i = warp + r * kStripWarps;
        // Of x a thread reads back what it wrote itself, so that no barrier is needed.
        right[i][lane] = column < k ? x[l.stored_row(above + i) * k + column] : 0;
      }
      __syncthreads();
      subtract_product<1>(left, right, strip);
      __syncthreads();
    }
    l.load(begin, begin, left);
    store_strip<1>(strip, right);
    __syncthreads();
    if (warp == 0) solve_column<1>(left, lane, right);
    __syncthreads();
    MT_UNROLL
    for (int r = 0; r < kRowsPerThread; ++r) {
      const std::int64_t i = begin + warp + r * kStripWarps;
      if (i < n && column < k) x[l.stored_row(i) * k + column] = right[i - begin][lane];
    }
  }
}

}  // namespace

template <class T>
void triangular_solve(const TriangularSolveArgs<T>& args, const CudaContext& context) {
  const std::int64_t column_blocks = (args.k + 31) / 32;
  const std::int64_t blocks = args.tasks * args.matrices * column_blocks;
  if (blocks * args.n == 0) return;
  if (args.transpose) {
    MT_LAUNCH((triangular_solve_kernel<true>), unsigned(blocks), kStripThreads, 0, context.stream)
    (args, column_blocks);
  } else {
    MT_LAUNCH((triangular_solve_kernel<false>), unsigned(blocks), kStripThreads, 0, context.stream)
    (args, column_blocks);
  }
}

template void triangular_solve(const TriangularSolveArgs<float>&, const CudaContext&);

}  // namespace metatape::kernels
