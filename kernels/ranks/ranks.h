#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

/// The sum over ranks in one order, so that all ranks get the same bits:
///   y = ((base + value_0) + value_1) + ... + value_{ranks-1}
/// value_r is `value` on rank r; `base` must be the same on all. y may be base or value.
///
/// Every rank adds the slice of the array that it owns (communicator.h), then the slices are
/// gathered: count (ranks - 1) / ranks elements are sent, and again received, in each of the two
/// exchanges. The context's communicator has `ranks` ranks; for one rank it may be null.
template <class T>
struct AddOverRanksArgs {
  std::int64_t count;
  int ranks;
  const T *base, *value;  ///< [count]
  T* y;                   ///< [count]
  T* workspace;           ///< [add_over_ranks_workspace(count, ranks)]
};
template <class T>
void add_over_ranks(const AddOverRanksArgs<T>&, const CpuContext&);
template <class T>
void add_over_ranks(const AddOverRanksArgs<T>&, const CudaContext&);

/// Elements: the own slice of each rank's value.
constexpr std::int64_t add_over_ranks_workspace(std::int64_t count, int ranks) {
  return ranks == 1 ? 0 : ranks * ((count + ranks - 1) / ranks);
}

/// y[r, i] = x_r[i]: the arrays of all ranks in rank order, on each of them. y does not overlap x.
template <class T>
struct GatherOverRanksArgs {
  std::int64_t count;
  int ranks;
  const T* x;  ///< [count]
  T* y;        ///< [ranks, count]
};
template <class T>
void gather_over_ranks(const GatherOverRanksArgs<T>&, const CpuContext&);
template <class T>
void gather_over_ranks(const GatherOverRanksArgs<T>&, const CudaContext&);

}  // namespace metatape::kernels
