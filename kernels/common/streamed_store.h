#pragma once

#include <cstdint>
#include <cstring>

#ifdef __AVX__
#include <immintrin.h>
#endif

namespace metatape::kernels {

/// Results of this size are gone from the caches before they are read. Written past the caches they
/// need not be loaded first, which is a third of what a kernel with one operand moves.
inline constexpr std::int64_t kStreamedBytes = 32 << 20;

/// Copies `count` elements to where no cache has to hold them. end_streaming() makes them visible
/// to other threads.
template <class T>
void store_streamed(const T* from, std::int64_t count, T* to) {
#ifdef __AVX__
  constexpr std::int64_t kVector = sizeof(__m256i);
  if (reinterpret_cast<std::uintptr_t>(to) % kVector == 0) {
    const std::int64_t vectors = count * std::int64_t(sizeof(T)) / kVector;
    auto* out = reinterpret_cast<__m256i*>(to);
    const auto* in = reinterpret_cast<const __m256i*>(from);
    for (std::int64_t i = 0; i < vectors; ++i)
      _mm256_stream_si256(out + i, _mm256_loadu_si256(in + i));
    const std::int64_t done = vectors * kVector / std::int64_t(sizeof(T));
    from += done, to += done, count -= done;
  }
#endif
  std::memcpy(to, from, std::size_t(count) * sizeof(T));
}

inline void end_streaming() {
#ifdef __AVX__
  _mm_sfence();
#endif
}

}  // namespace metatape::kernels
