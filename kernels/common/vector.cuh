#pragma once

// Several neighbouring elements in one access. A kernel template takes the width: 4 floats (16
// bytes, the widest load there is) where addresses allow it, else 1.

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/common/device.cuh"
#include "kernels/common/strided_loops.h"

namespace metatape::kernels {

template <class T, int kWidth>
struct alignas(sizeof(T) * kWidth) Vector {
  T values[kWidth];

  __device__ T& operator[](int k) { return values[k]; }
  __device__ const T& operator[](int k) const { return values[k]; }
};

template <int kWidth, class T>
__device__ Vector<T, kWidth> load(const T* address) {
  return *reinterpret_cast<const Vector<T, kWidth>*>(address);
}

template <class T, int kWidth>
__device__ void store(T* address, const Vector<T, kWidth>& vector) {
  *reinterpret_cast<Vector<T, kWidth>*>(address) = vector;
}

/// How an operand goes along the loop that vectors lie in. The same for all threads.
enum class Along { elements, repeats };

/// The vector at `address`, or its one element repeated.
template <int kWidth, class T>
__device__ Vector<T, kWidth> load_along(const T* address, Along along) {
  if (kWidth > 1 && along == Along::repeats) {
    const T value = *address;
    Vector<T, kWidth> vector;
    MT_UNROLL
    for (int k = 0; k < kWidth; ++k) vector[k] = value;
    return vector;
  }
  return load<kWidth>(address);
}

inline bool is_aligned(const void* pointer, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

template <int kOperands>
std::array<Along, kOperands> innermost_steps(const StridedLoops<kOperands>& loops) {
  std::array<Along, kOperands> steps;
  for (int k = 0; k < kOperands; ++k) {
    steps[k] = loops.inner().strides[k] == 0 ? Along::repeats : Along::elements;
  }
  return steps;
}

/// Whether the innermost of `loops` can be read `width` elements at a time: each operand either
/// repeats along it, or has neighbours there and starts at a multiple of `width` in every round of
/// the other loops. The extent of the innermost loop is left to the caller. Operands that are not
/// read are null.
template <int kOperands, class T>
bool vectors_fit(const StridedLoops<kOperands>& loops, const StridedLoops<kOperands>& outer_loops,
                 const std::array<const T*, kOperands>& operands, int width) {
  for (int k = 0; k < kOperands; ++k) {
    if (operands[k] == nullptr || loops.inner().strides[k] == 0) continue;
    if (loops.inner().strides[k] != 1 || !is_aligned(operands[k], width * sizeof(T))) return false;
    for (int d = 0; d + 1 < loops.rank(); ++d) {
      if (loops[d].strides[k] % width != 0) return false;
    }
    for (int d = 0; d < outer_loops.rank(); ++d) {
      if (outer_loops[d].strides[k] % width != 0) return false;
    }
  }
  return true;
}

}  // namespace metatape::kernels
