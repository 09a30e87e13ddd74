#pragma once

#include <cstdint>

namespace metatape::kernels {

inline constexpr std::int64_t kCacheLine = 64;  ///< bytes

/// Brings `count` elements into the L2 cache while something else is computed, to be read or
/// overwritten. GCC 12 drops loops that do nothing but __builtin_prefetch.
template <class T>
void fetch_ahead(const T* from, std::int64_t count) {
  const auto* bytes = reinterpret_cast<const char*>(from);
  for (std::int64_t i = 0; i < count * std::int64_t(sizeof(T)); i += kCacheLine) {
#ifdef __x86_64__
    asm volatile("prefetcht1 %0" : : "m"(bytes[i]));
#else
    __builtin_prefetch(bytes + i, 0, 2);
#endif
  }
}

}  // namespace metatape::kernels
