#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

/// Lower triangle of each of `batch` dense matrices [n,n]:
///   y[i,j] = x[i,j] below the diagonal, diagonal_scale x[i,i] on it, 0 above it.
/// y may be x. Workspace: none. Parallel over the rows of all matrices.
template <class T>
struct TrilArgs {
  std::int64_t batch, n;
  T diagonal_scale;
  const T* x;
  T* y;
};
template <class T>
void tril(const TrilArgs<T>&, const CpuContext&);
template <class T>
void tril(const TrilArgs<T>&, const CudaContext&);

}  // namespace metatape::kernels
