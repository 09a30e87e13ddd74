#pragma once

#include "kernels/common/context.h"
#include "kernels/common/extents.h"
#include "kernels/common/functors.h"

namespace metatape::kernels {

/// y[i] = f(x[i]),  i < count.
/// Dense arrays. y may be x itself. Writes every element of y. Workspace: none.
template <class T>
struct UnaryArgs {
  UnaryFunction function;
  Scalars<T> scalars;
  std::int64_t count;
  const T* x;
  T* y;
};
template <class T>
void unary(const UnaryArgs<T>&, const CpuContext&);
template <class T>
void unary(const UnaryArgs<T>&, const CudaContext&);

/// y[i] = f(a[i], b[i]) over the loop nest; y is dense in loop order.
/// a and b are read through element strides (0 broadcasts). y may be an operand whose strides are
/// dense in the same loop order. Writes every element of y. Workspace: none.
template <class T>
struct BinaryArgs {
  BinaryFunction function;
  Scalars<T> scalars;
  LoopNest loops;
  Extents a_strides, b_strides;
  const T *a, *b;
  T* y;
};
template <class T>
void binary(const BinaryArgs<T>&, const CpuContext&);
template <class T>
void binary(const BinaryArgs<T>&, const CudaContext&);

/// y[i] = value,  i < count.
template <class T>
void fill(T* y, std::int64_t count, T value, const CpuContext&);
template <class T>
void fill(T* y, std::int64_t count, T value, const CudaContext&);

/// y[i] = To(x[i]),  i < count; every x[i] lies in the range of To. Types: float, double, int32_t,
/// uint8_t. Not in place.
template <class From, class To>
void cast(const From* x, To* y, std::int64_t count, const CpuContext&);
template <class From, class To>
void cast(const From* x, To* y, std::int64_t count, const CudaContext&);

}  // namespace metatape::kernels
