#pragma once

// CUDA's atomic functions, relaxed as on a GPU, by the compiler's own so that the thread sanitizer
// knows them. Each returns the value found before. Integers of 4 and 8 bytes, float and double.

#include <type_traits>

namespace metatape::kernels::emulation {

template <class T, class Update>
T atomic_update(T* address, const Update& update) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  T found;
  __atomic_load(address, &found, __ATOMIC_RELAXED);
  T next = update(found);
  while (!__atomic_compare_exchange(address, &found, &next, false, __ATOMIC_RELAXED,
                                    __ATOMIC_RELAXED)) {
    next = update(found);
  }
  return found;
}

template <class T>
concept AtomicInteger =
    std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, unsigned long long>;
template <class T>
concept AtomicNumber = AtomicInteger<T> || std::is_same_v<T, float> || std::is_same_v<T, double>;

}  // namespace metatape::kernels::emulation

template <metatape::kernels::emulation::AtomicNumber T>
T atomicAdd(T* address, std::type_identity_t<T> x) {
  return metatape::kernels::emulation::atomic_update(address, [x](T old) { return T(old + x); });
}
template <metatape::kernels::emulation::AtomicInteger T>
T atomicMax(T* address, std::type_identity_t<T> x) {
  return metatape::kernels::emulation::atomic_update(address,
                                                     [x](T old) { return old < x ? x : old; });
}
template <metatape::kernels::emulation::AtomicInteger T>
T atomicMin(T* address, std::type_identity_t<T> x) {
  return metatape::kernels::emulation::atomic_update(address,
                                                     [x](T old) { return x < old ? x : old; });
}
template <metatape::kernels::emulation::AtomicInteger T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> x) {
  __atomic_compare_exchange(address, &expected, &x, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
template <class T>
requires metatape::kernels::emulation::AtomicInteger<T> || std::is_same_v<T, float> T
atomicExch(T* address, std::type_identity_t<T> x) {
  return metatape::kernels::emulation::atomic_update(address, [x](T) { return x; });
}
