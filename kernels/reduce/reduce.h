#pragma once

#include "kernels/common/context.h"
#include "kernels/common/extents.h"

namespace metatape::kernels {

/// y[kept] = sum over the reduced loops of a[...] * b[...]   (b == nullptr: of a[...] alone).
/// Loops whose bit is set in `reduced` (bit d = loop d) are summed; y is dense over the kept loops,
/// in loop order. a and b are read through element strides (0 broadcasts).
/// Every element of y is written; y aliases nothing. An empty sum is 0.
/// Order of additions depends on the extents alone: the same bits for any number of threads.
/// Error: at most about 4 eps sqrt(n) relative to sum |terms| (partial sums, not one long chain).
template <class T>
struct SumArgs {
  LoopNest loops;
  unsigned reduced;
  Extents a_strides, b_strides;
  const T *a, *b;
  T* y;
  T* workspace;  ///< sum_workspace_elements() elements, or nullptr if that is 0
};
template <class T>
void sum(const SumArgs<T>&, const CpuContext&);
template <class T>
void sum(const SumArgs<T>&, const CudaContext&);

/// Elements of workspace for these loops; depends on the extents alone.
std::int64_t sum_workspace_elements(const LoopNest&, unsigned reduced, const CpuContext&);
std::int64_t sum_workspace_elements(const LoopNest&, unsigned reduced, const CudaContext&);

}  // namespace metatape::kernels
