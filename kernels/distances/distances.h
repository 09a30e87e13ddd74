#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

/// distances[i,j] = sum_k (x[i,k] - y[j,k])^2 for each pair of matrices;  x [n,d], y [m,d] and
/// distances [n,m], row-major.
/// `tasks` times `matrices` of each: matrix i of task t starts at t * task_stride + i * n * d (y: i
/// * m * d). Task stride 0 shares the matrices among all tasks. The result is dense, fully written
/// (also when d == 0: zeros), and aliases nothing. Workspace: none.
///
/// The differences are squared, not the products subtracted: nothing cancels, equal rows are
/// exactly 0 apart, and the order of the sum is the same for all pairs, so that exchanging x and y
/// transposes the result to the bit. Partial sums keep the error below 4 eps sqrt(d) of a distance.
/// Cost: 3 n m d flop each. Parallel over the matrices, and over fixed blocks of rows.
template <class T>
struct SquaredDistancesArgs {
  std::int64_t tasks, matrices, n, m, d;
  std::int64_t x_task_stride, y_task_stride;
  const T *x, *y;
  T* distances;
};
template <class T>
void squared_distances(const SquaredDistancesArgs<T>&, const CpuContext&);
template <class T>
void squared_distances(const SquaredDistancesArgs<T>&, const CudaContext&);

}  // namespace metatape::kernels
