#include "kernels/common/launch.cuh"
#include "tests/emulation/kernels/cases.h"

namespace metatape::emulation_cases {
namespace {

constexpr int kBug = MT_BUG;
constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;

/// In lane 0: the sum over the warp.
__device__ float warp_sum(float x) {
  const int lane = threadIdx.x % 32;
  unsigned mask = 0xffffffff;
  if (kBug == 9 && lane == 3) mask = 0xfffffff7;    // omits the caller
  if (kBug == 15 && lane >= 16) mask = 0xffff0000;  // the lanes do not agree
  if (kBug == 14 && lane == 31) return x;           // one lane stays away
  const int width = kBug == 16 ? 24 : 32;           // not a power of two
  MT_UNROLL
  for (int distance = 16; distance > 0; distance /= 2) {
    x += __shfl_down_sync(mask, x, distance, width);
  }
  return x;
}

/// out[b] = sum of the elements that block b visits; a [columns], out [gridDim.x].
__global__ void __launch_bounds__(kThreads)
    block_sum_kernel(const float* __restrict__ a, int columns, float* __restrict__ out) {
  MT_SHARED(float, warp_sums, [kWarps]);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int end = kBug == 1 ? columns + 1 : columns;  // reads one past the end
  float sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < end; i += gridDim.x * blockDim.x) {
    sum += a[i];
  }
  sum = warp_sum(sum);
  if (kBug == 5 && threadIdx.x == 77) return;    // before a barrier
  const int slot = kBug == 2 ? warp + 1 : warp;  // writes past the shared array
  const bool writes = kBug != 6 || warp != 2;    // leaves an element as it was
  if (lane == 0 && writes) warp_sums[slot] = sum;
  if (kBug != 4) __syncthreads();  // without it, the sums may not be there yet
  if (warp > 0) return;
  sum = warp_sum(lane < kWarps ? warp_sums[lane] : 0);
  if (lane == 0) out[blockIdx.x] = sum;
}

void launch(const Operands& o) {
  MT_LAUNCH(block_sum_kernel, o.rows, kThreads, 0, nullptr)(o.a, o.columns, o.out);
}

const Registration registration("block_sum", kBug, launch);

}  // namespace
}  // namespace metatape::emulation_cases
