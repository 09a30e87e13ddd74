#pragma once

// Neighbouring threads that reduce one row together: 1 to 32 of them within a warp, or a block of
// 256. The order is that of a tree over the lanes, so the result has the same bits in each of them.

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/common/device.cuh"

namespace metatape::kernels {

inline constexpr int kLaneThreads = 256;  ///< threads of a block that reduces rows
inline constexpr unsigned kWholeWarp = 0xffffffff;

/// The smallest power of two >= n, between 1 and kLaneThreads.
inline int lane_count(std::int64_t n) {
  return int(std::bit_ceil(std::uint64_t(std::clamp<std::int64_t>(n, 1, kLaneThreads))));
}

/// Lanes for a row of `columns`: up to 1024 columns a warp is enough, 32 elements for each lane.
inline int lanes_of_row(std::int64_t columns) {
  return columns <= 1024 ? std::min(32, lane_count(columns)) : kLaneThreads;
}

/// The value of the thread whose number differs in the bits of `distance`.
__device__ inline float exchange(float x, int distance) {
  return __shfl_xor_sync(kWholeWarp, x, distance);
}

/// x of `lanes` neighbouring threads combined, in all of them. `lanes` is a power of two and the
/// same in the whole block of kLaneThreads, which calls this together; combine is commutative.
template <class T, class Combine>
__device__ T combine_lanes(T x, int lanes, const Combine& combine) {
  for (int distance = min(lanes, 32) / 2; distance > 0; distance /= 2) {
    x = combine(x, exchange(x, distance));
  }
  if (lanes <= 32) return x;
  constexpr int kWarps = kLaneThreads / 32;
  MT_SHARED(T, of_warp, [kWarps]);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = x;
  __syncthreads();
  const int first = threadIdx.x / lanes * (lanes / 32);
  x = of_warp[first];
  for (int warp = 1; warp < lanes / 32; ++warp) x = combine(x, of_warp[first + warp]);
  __syncthreads();  // the next call writes of_warp again
  return x;
}

struct Add {
  __device__ float operator()(float x, float y) const { return x + y; }
};

}  // namespace metatape::kernels
