#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

/// x = op(l)^-1 b for each matrix;  l [n,n] lower triangular, b and x [n,k], row-major; op(l) is l
/// or, with the flag, its transpose. Only l's lower triangle is read.
/// `tasks` times `matrices` of each: matrix i of task t starts at t * task_stride + i * n * n (b: i
/// * n * k). Task stride 0 shares the matrices among all tasks. x is dense, fully written, and
/// aliases nothing. Workspace: none. A zero on the diagonal gives infinities or NaN.
/// Cost: n^2 k flop each. Parallel over the matrices.
template <class T>
struct TriangularSolveArgs {
  std::int64_t tasks, matrices, n, k;
  bool transpose;
  std::int64_t l_task_stride, b_task_stride;
  const T *l, *b;
  T* x;
};
template <class T>
void triangular_solve(const TriangularSolveArgs<T>&, const CpuContext&);
template <class T>
void triangular_solve(const TriangularSolveArgs<T>&, const CudaContext&);

}  // namespace metatape::kernels
