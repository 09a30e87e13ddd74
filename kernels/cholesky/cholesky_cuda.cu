// One warp factors a matrix of up to 32 rows in its registers. Larger ones have a block each, which
// goes through them in strips of 32 columns: a strip is a triangle that one warp factors, and rows
// below it, which are a triangular solve. Each try of the jitter rule runs all of it again, inside
// of the one launch.

#include "kernels/cholesky/jitter.h"
#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/triangular_solve/strip.cuh"

namespace metatape::kernels {
namespace {

constexpr unsigned kWholeWarp = 0xffffffff;
constexpr int kWarpRows = 32;
constexpr int kWarpMatrices = 4;  ///< matrices, one to a warp, of a block
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// The symmetric part of a matrix with something added to its diagonal. Beyond its last row it goes
/// on as the identity.
struct Symmetric {
  const float* a;
  std::int64_t n;
  float jitter;

  __device__ float at(std::int64_t i, std::int64_t j) const {
    if (i >= n || j >= n) return i == j ? 1.0f : 0.0f;
    return i == j ? a[i * n + i] + jitter : 0.5f * (a[i * n + j] + a[j * n + i]);
  }
};

/// Factors the lower triangle of a matrix whose row `lane` is in `row`, by one warp, to `columns`
/// columns; `given` is the lane's element of the diagonal, as it was given. Above the diagonal it
/// leaves nonsense.
__device__ CholeskyStop factor_rows(float given, std::int64_t columns, float (&row)[kWarpRows]) {
  const int lane = int(threadIdx.x) % 32;
  MT_UNROLL
  for (int j = 0; j < kWarpRows; ++j) {
    if (j >= columns) continue;
    const float pivot = __shfl_sync(kWholeWarp, row[j], j);
    if (!is_positive_pivot(pivot, __shfl_sync(kWholeWarp, given, j))) return {j + 1, double(pivot)};
    const float root = sqrtf(pivot);
    row[j] = lane == j ? root : row[j] / root;
    MT_UNROLL
    for (int k = j + 1; k < kWarpRows; ++k) row[k] -= row[j] * __shfl_sync(kWholeWarp, row[j], k);
  }
  return {};
}

__global__ void __launch_bounds__(32 * kWarpMatrices)
    cholesky_warp_kernel(CholeskyArgs<float> args) {
  const std::int64_t n = args.n;
  const std::int64_t matrix = std::int64_t(blockIdx.x) * kWarpMatrices + threadIdx.x / 32;
  const int lane = int(threadIdx.x) % 32;
  if (matrix >= args.batch) return;  // the whole warp
  const float* a = args.a + matrix * n * n;
  float* l = args.l + matrix * n * n;

  float row[kWarpRows];
  const auto factor = [&](float jitter) {
    const Symmetric given{a, n, jitter};
    MT_UNROLL
    for (int k = 0; k < kWarpRows; ++k) row[k] = given.at(lane, k);
    return factor_rows(Symmetric{a, n, 0}.at(lane, lane), n, row);
  };
  const auto all_finite = [&] {
    bool finite = true;
    for (std::int64_t i = lane; i < n * n; i += 32) finite = finite && isfinite(a[i]);
    return __all_sync(kWholeWarp, finite) != 0;
  };
  const MatrixStatus status = factor_with_jitter(a, n, args.jitter_tries, factor, all_finite);

  if (lane == 0) args.status[matrix] = status;
  MT_UNROLL
  for (int k = 0; k < kWarpRows; ++k)
    if (lane < n && k < n) l[lane * n + k] = status.failed_column ? kNan : k > lane ? 0.0f : row[k];
}

// ---- larger matrices ---------------------------------------------------------------------------

/// Of 32 columns, this many rows at a time: 41 KiB of shared memory with what they are formed from.
constexpr int kGroups = 4;
constexpr int kStripColumns = 32 * kGroups;
using WideStrip = StripTile<kGroups>;

struct SharedArrays {
  Tile& left;
  WideStrip& right;
  Tile& corner;
  WideStrip& strip;
  CholeskyStop& stop;
};

/// A strip in registers is transposed: its rows are columns of l, its columns rows of l.
///   strip[i,c] = a[begin + i, first + c] - sum over the columns k before `begin` of
///                l[begin + i, k] l[first + c, k]
__device__ void form_strip(const Symmetric& a, const float* l, std::int64_t begin,
                           std::int64_t first, const SharedArrays& s) {
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  const std::int64_t n = a.n;
  Strip<kGroups> strip;
  MT_UNROLL
  for (int r = 0; r < kRowsPerThread; ++r) {
    MT_UNROLL
    for (int c = 0; c < kGroups; ++c)
      strip[r][c] = a.at(begin + warp + r * kStripWarps, first + lane + 32 * c);
  }
  for (std::int64_t before = 0; before < begin; before += kStripRows) {
    for (int i = warp; i < kStripRows; i += kStripWarps)
      s.left[i][lane] = begin + i < n ? l[(begin + i) * n + before + lane] : 0;
    for (int c = warp; c < kStripColumns; c += kStripWarps)
      s.right[lane][c] = first + c < n ? l[(first + c) * n + before + lane] : 0;
    __syncthreads();
    subtract_product<kGroups>(s.left, s.right, strip);
    __syncthreads();
  }
  store_strip<kGroups>(strip, s.strip);
  __syncthreads();
}

/// Factors the first 32 columns of the strip into the corner, by one warp.
__device__ void factor_corner(const Symmetric& a, std::int64_t begin, const SharedArrays& s) {
  const int lane = int(threadIdx.x) % 32;
  float row[kWarpRows];
  MT_UNROLL
  for (int k = 0; k < kWarpRows; ++k) row[k] = s.strip[k][lane];
  const Symmetric given{a.a, a.n, 0};
  CholeskyStop stop = factor_rows(given.at(begin + lane, begin + lane), a.n - begin, row);
  if (stop.column) stop.column += std::int32_t(begin);
  MT_UNROLL
  for (int k = 0; k < kWarpRows; ++k) {
    s.corner[lane][k] = k > lane ? 0.0f : row[k];
    s.strip[k][lane] = s.corner[lane][k];
  }
  if (lane == 0) s.stop = stop;
}

/// One try, by one block; the same value for all of its threads.
__device__ CholeskyStop factor_strips(const Symmetric& a, float* l, const SharedArrays& s) {
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  const std::int64_t n = a.n;
  for (std::int64_t begin = 0; begin < n; begin += kStripRows) {
    for (std::int64_t first = begin; first < n; first += kStripColumns) {
      form_strip(a, l, begin, first, s);
      const bool has_corner = first == begin;
      if (has_corner) {
        if (warp == 0) factor_corner(a, begin, s);
        __syncthreads();
        if (s.stop.column) return s.stop;
      }
      if (warp < kGroups && !(has_corner && warp == 0))
        solve_column<kGroups>(s.corner, int(threadIdx.x), s.strip);
      __syncthreads();
      for (int c = warp; c < kStripColumns; c += kStripWarps)
        if (first + c < n && begin + lane < n) l[(first + c) * n + begin + lane] = s.strip[lane][c];
      __syncthreads();  // the next strips read these elements of l
    }
  }
  return {};
}

/// What no strip writes: elements above the diagonal blocks, or all if there is no factor.
__device__ void fill_rest(std::int64_t n, bool failed, float* l) {
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  for (std::int64_t row = warp; row < n; row += kStripWarps) {
    const std::int64_t begin = failed ? 0 : (row / kStripRows + 1) * kStripRows;
    for (std::int64_t column = begin + lane; column < n; column += 32)
      l[row * n + column] = failed ? kNan : 0.0f;
  }
}

__global__ void __launch_bounds__(kStripThreads) cholesky_block_kernel(CholeskyArgs<float> args) {
  MT_SHARED(float, left, [kStripRows][kStripRows + 1]);
  MT_SHARED(float, right, [kStripRows][kStripColumns + 1]);
  MT_SHARED(float, corner, [kStripRows][kStripRows + 1]);
  MT_SHARED(float, strip, [kStripRows][kStripColumns + 1]);
  MT_SHARED(CholeskyStop, stop);
  const SharedArrays shared{left, right, corner, strip, stop};
  const std::int64_t n = args.n, matrix = blockIdx.x;
  const float* a = args.a + matrix * n * n;
  float* l = args.l + matrix * n * n;

  const auto factor = [&](float jitter) { return factor_strips({a, n, jitter}, l, shared); };
  const auto all_finite = [&] {
    bool finite = true;
    for (std::int64_t i = threadIdx.x; i < n * n; i += kStripThreads)
      finite = finite && isfinite(a[i]);
    return __syncthreads_and(finite) != 0;
  };
  const MatrixStatus status = factor_with_jitter(a, n, args.jitter_tries, factor, all_finite);
  if (threadIdx.x == 0) args.status[matrix] = status;
  fill_rest(n, status.failed_column != 0, l);
}

}  // namespace

template <class T>
void cholesky(const CholeskyArgs<T>& args, const CudaContext& context) {
  if (args.batch == 0) return;
  if (args.n <= kWarpRows) {
    const unsigned blocks = unsigned((args.batch + kWarpMatrices - 1) / kWarpMatrices);
    MT_LAUNCH(cholesky_warp_kernel, blocks, 32 * kWarpMatrices, 0, context.stream)(args);
  } else {
    MT_LAUNCH(cholesky_block_kernel, unsigned(args.batch), kStripThreads, 0, context.stream)(args);
  }
}

template void cholesky(const CholeskyArgs<float>&, const CudaContext&);

}  // namespace metatape::kernels
