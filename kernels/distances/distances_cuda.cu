#include <algorithm>

#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/distances/distances.h"

namespace metatape::kernels {
namespace {

constexpr int kSide = 16;  // threads [kSide][kSide]
constexpr int kThreads = kSide * kSide;
/// Coordinates in shared memory at a time, and terms of a partial sum.
constexpr int kDepth = 32;

/// Blocks that occupy a large GPU once. From there on large tiles are better: they read a
/// coordinate from shared memory twice for each 4 pairs, small ones twice for each pair.
constexpr std::int64_t kManyBlocks = 128;

/// Tiles that cover the distances of one pair of matrices.
struct Tiles {
  std::int64_t rows, columns;
};

Tiles tiles_of(const SquaredDistancesArgs<float>& args, int side) {
  return {(args.n + side - 1) / side, (args.m + side - 1) / side};
}

/// Coordinates [k0, k0 + kDepth) of kTile rows from `first` on, on the way from device memory to
/// shared memory. Zeros outside: they add nothing to a sum.
template <int kTile>
struct TileInRegisters {
  static constexpr int kStep = kThreads / kDepth;
  float element[kTile / kStep];

  __device__ void load(const float* matrix, std::int64_t first, std::int64_t rows, std::int64_t d,
                       std::int64_t k0) {
    const std::int64_t k = k0 + threadIdx.x % kDepth;
    MT_UNROLL
    for (int r = 0; r < kTile / kStep; ++r) {
      const std::int64_t row = first + threadIdx.x / kDepth + r * kStep;
      element[r] = row < rows && k < d ? matrix[row * d + k] : 0;
    }
  }
  __device__ void store(float (&tile)[kTile][kDepth + 1]) const {
    MT_UNROLL
    for (int r = 0; r < kTile / kStep; ++r)
      tile[threadIdx.x / kDepth + r * kStep][threadIdx.x % kDepth] = element[r];
  }
};

/// One tile of distances for each block; of it, thread (i, j) has the pairs of rows i + kSide r of
/// x and j + kSide c of y.
template <int kPerThread>
__global__ void __launch_bounds__(kThreads)
    squared_distances_kernel(SquaredDistancesArgs<float> args, Tiles tiles) {
  constexpr int kTile = kSide * kPerThread;
  MT_SHARED(float, x_tile, [kTile][kDepth + 1]);  // + 1: a column lies in different banks
  MT_SHARED(float, y_tile, [kTile][kDepth + 1]);
  const std::int64_t n = args.n, m = args.m, d = args.d;
  const std::int64_t matrix = blockIdx.x / (tiles.rows * tiles.columns);
  const std::int64_t x_first = blockIdx.x / tiles.columns % tiles.rows * kTile;
  const std::int64_t y_first = blockIdx.x % tiles.columns * kTile;
  const std::int64_t task = matrix / args.matrices, member = matrix % args.matrices;
  const float* x = args.x + task * args.x_task_stride + member * n * d;
  const float* y = args.y + task * args.y_task_stride + member * m * d;
  const int i = int(threadIdx.x) / kSide, j = int(threadIdx.x) % kSide;

  float sums[kPerThread][kPerThread] = {};
  TileInRegisters<kTile> next_x, next_y;
  next_x.load(x, x_first, n, d, 0);
  next_y.load(y, y_first, m, d, 0);
  for (std::int64_t k0 = 0; k0 < d; k0 += kDepth) {
    next_x.store(x_tile);
    next_y.store(y_tile);
    __syncthreads();
    next_x.load(x, x_first, n, d, k0 + kDepth);  // arrives while the terms are added
    next_y.load(y, y_first, m, d, k0 + kDepth);
    float partial[kPerThread][kPerThread] = {};
    MT_UNROLL
    for (int k = 0; k < kDepth; ++k) {
      MT_UNROLL
      for (int r = 0; r < kPerThread; ++r) {
        MT_UNROLL
        for (int c = 0; c < kPerThread; ++c) {
          const float difference = x_tile[i + r * kSide][k] - y_tile[j + c * kSide][k];
          partial[r][c] += difference * difference;
        }
      }
    }
    __syncthreads();
    MT_UNROLL
    for (int r = 0; r < kPerThread; ++r) {
      MT_UNROLL
      for (int c = 0; c < kPerThread; ++c) sums[r][c] += partial[r][c];
    }
  }

  MT_UNROLL
  for (int r = 0; r < kPerThread; ++r) {
    MT_UNROLL
    for (int c = 0; c < kPerThread; ++c) {
      const std::int64_t row = x_first + i + r * kSide, column = y_first + j + c * kSide;
      if (row < n && column < m) args.distances[(matrix * n + row) * m + column] = sums[r][c];
    }
  }
}

}  // namespace

template <class T>
void squared_distances(const SquaredDistancesArgs<T>& args, const CudaContext& context) {
  const std::int64_t batch = args.tasks * args.matrices;
  if (batch * args.n * args.m == 0) return;
  constexpr int kLarge = 4;
  const Tiles large = tiles_of(args, kSide * kLarge), small = tiles_of(args, kSide);
  if (batch * large.rows * large.columns >= kManyBlocks) {
    MT_LAUNCH((squared_distances_kernel<kLarge>), unsigned(batch * large.rows * large.columns),
              kThreads, 0, context.stream)
    (args, large);
  } else {
    MT_LAUNCH((squared_distances_kernel<1>), unsigned(batch * small.rows * small.columns), kThreads,
              0, context.stream)
    (args, small);
  }
}

template void squared_distances(const SquaredDistancesArgs<float>&, const CudaContext&);

}  // namespace metatape::kernels
