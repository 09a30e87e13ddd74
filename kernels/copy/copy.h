#pragma once

#include "kernels/common/context.h"
#include "kernels/common/extents.h"

namespace metatape::kernels {

/// y[i . y_strides] = x[i . x_strides] over the loop nest.
/// One kernel for transpose, broadcast, slice, padding and concatenation: callers offset the
/// pointers and choose the strides (x strides may be 0; y elements are distinct). No aliasing.
/// Element types: float, double, int32_t, uint8_t. Workspace: none.
template <class T>
struct CopyArgs {
  LoopNest loops;
  Extents x_strides, y_strides;
  const T* x;
  T* y;
};
template <class T>
void copy(const CopyArgs<T>&, const CpuContext&);
template <class T>
void copy(const CopyArgs<T>&, const CudaContext&);

}  // namespace metatape::kernels
