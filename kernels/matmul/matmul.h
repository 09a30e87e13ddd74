#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

/// c[i] = op(a[i]) op(b[i]) for i < batch;  op(a) is [m,k], op(b) is [k,n], c is [m,n], row-major.
/// op(x) is x or, with the transpose flag, its transpose (a stored [k,m], b stored [n,k]).
/// Matrix i starts at a + i * a_stride elements; stride 0 shares one matrix among the batch.
/// c is dense, fully written (also when k == 0: zeros), and aliases nothing. Workspace: none.
/// Parallel over the batch, and over fixed row blocks of large matrices; the cut depends on the
/// shape alone.
template <class T>
struct MatmulArgs {
  std::int64_t batch, m, n, k;
  bool transpose_a, transpose_b;
  std::int64_t a_stride, b_stride;
  const T *a, *b;
  T* c;
};
template <class T>
void matmul(const MatmulArgs<T>&, const CpuContext&);
template <class T>
void matmul(const MatmulArgs<T>&, const CudaContext&);

}  // namespace metatape::kernels
