#pragma once

// The hooks of the sanitizers as weak symbols: null in a program without that sanitizer. So one
// runtime, itself never instrumented, serves plain, address- and thread-sanitized kernels.

#include <cstddef>

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the sanitizers' names
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** save, const void* bottom, size_t size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* save, const void** bottom, size_t* size);
[[gnu::weak]] void __sanitizer_set_death_callback(void (*callback)());
[[gnu::weak]] void __asan_poison_memory_region(const volatile void* begin, size_t size);
[[gnu::weak]] void __asan_unpoison_memory_region(const volatile void* begin, size_t size);
[[gnu::weak]] void* __tsan_get_current_fiber();
[[gnu::weak]] void* __tsan_create_fiber(unsigned flags);
[[gnu::weak]] void __tsan_destroy_fiber(void* fiber);
[[gnu::weak]] void __tsan_switch_to_fiber(void* fiber, unsigned flags);
[[gnu::weak]] void __tsan_acquire(void* address);
[[gnu::weak]] void __tsan_release(void* address);
// NOLINTEND(bugprone-reserved-identifier)
}

namespace metatape::kernels::emulation {

inline bool has_address_sanitizer() { return __asan_poison_memory_region != nullptr; }
inline bool has_thread_sanitizer() { return __tsan_create_fiber != nullptr; }

/// For the thread sanitizer: what happened before release(x) happened before a later acquire(x).
inline void release(void* object) {
  if (has_thread_sanitizer()) __tsan_release(object);
}
inline void acquire(void* object) {
  if (has_thread_sanitizer()) __tsan_acquire(object);
}

inline void poison(const void* begin, std::size_t size) {
  if (has_address_sanitizer()) __asan_poison_memory_region(begin, size);
}
inline void unpoison(const void* begin, std::size_t size) {
  if (has_address_sanitizer()) __asan_unpoison_memory_region(begin, size);
}

}  // namespace metatape::kernels::emulation
