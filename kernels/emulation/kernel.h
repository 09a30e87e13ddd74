#pragma once

// CUDA's language for g++: what the code of a kernel may use. The names are CUDA's.

#include <cstring>
#include <type_traits>

#include "kernels/emulation/atomics.h"
#include "kernels/emulation/device_math.h"
#include "kernels/emulation/kernel_calls.h"

// NOLINTBEGIN(bugprone-reserved-identifier): CUDA's names

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
#define MT_UNROLL

// Functions, so that they are never stale after another thread ran.
#define threadIdx (::metatape::kernels::emulation::thread_index())
#define blockIdx (::metatape::kernels::emulation::block_index())
#define blockDim (::metatape::kernels::emulation::block_extents())
#define gridDim (::metatape::kernels::emulation::grid_extents())
inline constexpr int warpSize = 32;

// The address of a static object of its own tells one declaration, and one instance of a template,
// from another.
#define MT_SHARED(type, name, ...)                                                               \
  using name##_array = type __VA_ARGS__;                                                         \
  static constexpr char name##_key = 0;                                                          \
  name##_array& name = *static_cast<name##_array*>(::metatape::kernels::emulation::shared_array( \
      &name##_key, #name, sizeof(name##_array), alignof(name##_array),                           \
      ::metatape::kernels::emulation::Site::current()))

#define MT_DYNAMIC_SHARED(type, name)                                                 \
  type* const name = static_cast<type*>(::metatape::kernels::emulation::shared_array( \
      nullptr, #name, 0, alignof(type), ::metatape::kernels::emulation::Site::current()))

namespace metatape::kernels::emulation {

template <class T>
T shuffle(WarpOperation operation, unsigned mask, T value, int lane, int width, Site site) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_operation(operation, mask, {bits, lane, width}, site);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline unsigned ballot(unsigned mask, bool predicate, Site site) {
  return unsigned(warp_operation(WarpOperation::ballot, mask, {predicate, 0, warpSize}, site));
}

}  // namespace metatape::kernels::emulation

#define MT_SITE \
  ::metatape::kernels::emulation::Site site = ::metatape::kernels::emulation::Site::current()
#define MT_SHUFFLE(name, operation)                                                                \
  template <class T>                                                                               \
  T name(unsigned mask, T value, int lane, int width = warpSize, MT_SITE) {                        \
    return ::metatape::kernels::emulation::shuffle(                                                \
        ::metatape::kernels::emulation::WarpOperation::operation, mask, value, lane, width, site); \
  }
MT_SHUFFLE(__shfl_sync, shuffle)
MT_SHUFFLE(__shfl_up_sync, shuffle_up)
MT_SHUFFLE(__shfl_down_sync, shuffle_down)
MT_SHUFFLE(__shfl_xor_sync, shuffle_xor)
#undef MT_SHUFFLE

inline void __syncwarp(unsigned mask = 0xffffffff, MT_SITE) {
  using namespace metatape::kernels::emulation;
  warp_operation(WarpOperation::synchronise, mask, {0, 0, warpSize}, site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, MT_SITE) {
  return metatape::kernels::emulation::ballot(mask, predicate, site);
}
inline int __any_sync(unsigned mask, int predicate, MT_SITE) {
  return metatape::kernels::emulation::ballot(mask, predicate, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, MT_SITE) {
  return metatape::kernels::emulation::ballot(mask, !predicate, site) == 0;
}
inline unsigned __activemask() { return metatape::kernels::emulation::live_lanes(); }

inline void __syncthreads(MT_SITE) {
  using namespace metatape::kernels::emulation;
  block_barrier(Vote::none, false, site);
}
inline int __syncthreads_count(int predicate, MT_SITE) {
  using namespace metatape::kernels::emulation;
  return block_barrier(Vote::count, predicate, site);
}
inline int __syncthreads_and(int predicate, MT_SITE) {
  using namespace metatape::kernels::emulation;
  return block_barrier(Vote::all, predicate, site);
}
inline int __syncthreads_or(int predicate, MT_SITE) {
  using namespace metatape::kernels::emulation;
  return block_barrier(Vote::any, predicate, site);
}
#undef MT_SITE

inline void __threadfence() {}
inline void __threadfence_block() {}

// NOLINTEND(bugprone-reserved-identifier)
