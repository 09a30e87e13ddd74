#pragma once

// The order in which a copy goes through its loops, on the CPU and on a GPU.

#include <algorithm>
#include <array>

#include "kernels/common/strided_loops.h"

namespace metatape::kernels {

/// The loops of a copy (operands x, y) with the smallest step of y innermost, so that y is written
/// in memory order. The elements of y are distinct, so any order gives the same result.
inline StridedLoops<2> write_order(const LoopNest& nest, const Extents& x_strides,
                                   const Extents& y_strides) {
  std::array<int, kMaxRank> order{0, 1, 2, 3, 4, 5};
  std::stable_sort(order.begin(), order.begin() + nest.rank,
                   [&](int d, int e) { return y_strides[d] > y_strides[e]; });
  StridedLoops<2> loops;
  for (int i = 0; i < nest.rank; ++i) {
    const int d = order[i];
    loops.append({nest.extents[d], {x_strides[d], y_strides[d]}});
  }
  return loops;
}

/// Position of the loop along which x is contiguous if that is not the innermost one, or -1.
inline int transposed_loop(const StridedLoops<2>& loops) {
  if (loops.inner().strides[0] <= 1) return -1;
  for (int d = 0; d + 1 < loops.rank(); ++d) {
    if (loops[d].strides[0] == 1) return d;
  }
  return -1;
}

}  // namespace metatape::kernels
