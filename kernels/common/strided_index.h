#pragma once

// From the number of an element to its offset in each operand: how a GPU thread finds its place in
// the loops that the host brought into canonical form (strided_loops.h). Passed to kernels by
// value. "Offsets" may also be coordinates, for kernels that need them.

#include <cstdint>
#include <cstdlib>

#include "kernels/common/divisor.h"
#include "kernels/common/host_device.h"
#include "kernels/common/strided_loops.h"

namespace metatape::kernels {

template <int kOperands, class Index>
struct IndexOffsets {
  Index of[kOperands];
};

template <int kOperands, class Index>
class StridedIndex {
 public:
  /// The elements of `loops`, `width` neighbours of the innermost loop counted as one. No extent
  /// may be 0.
  explicit StridedIndex(const StridedLoops<kOperands>& loops, int width = 1) : rank_(loops.rank()) {
    for (int d = 0; d < rank_; ++d) {
      const StridedLoop<kOperands>& loop = loops[rank_ - 1 - d];
      const int step = d == 0 ? width : 1;
      extents_[d] = Divisor<Index>(ceil_div(loop.extent, step));
      for (int k = 0; k < kOperands; ++k) {
        strides_[d][k] = static_cast<Index>(loop.strides[k] * step);
      }
    }
  }

  MT_HOST_DEVICE IndexOffsets<kOperands, Index> operator()(Index i) const {
    IndexOffsets<kOperands, Index> offsets{};
    add<0>(i, offsets);
    return offsets;
  }

 private:
  /// Adds loop d, 0 the innermost, and those outside of it. A constant d keeps the arrays in the
  /// constant memory that kernel arguments lie in; a variable one would copy them to local memory.
  template <int d>
  MT_HOST_DEVICE void add(Index i, IndexOffsets<kOperands, Index>& offsets) const {
    if constexpr (d + 1 < kMaxRank) {
      if (d + 1 < rank_) {
        const Index rest = extents_[d].divide(i);
        const Index position = i - rest * extents_[d].divisor();
        for (int k = 0; k < kOperands; ++k) offsets.of[k] += position * strides_[d][k];
        return add<d + 1>(rest, offsets);
      }
    }
    for (int k = 0; k < kOperands; ++k) offsets.of[k] += i * strides_[d][k];
  }

  int rank_;
  Divisor<Index> extents_[kMaxRank];  ///< innermost first
  Index strides_[kMaxRank][kOperands] = {};
};

/// Counts and offsets up to here are computed in 32 bits, which leaves room for the sum of two, and
/// for the threads of the last block.
inline constexpr std::int64_t kLargestNarrowIndex = 1'000'000'000;

/// Whether 32 bits suffice for the elements of the loops and their offsets.
template <int kOperands>
bool is_narrow(const StridedLoops<kOperands>& loops) {
  if (loops.count() > kLargestNarrowIndex) return false;
  for (int k = 0; k < kOperands; ++k) {
    std::int64_t reach = 0;
    for (int d = 0; d < loops.rank(); ++d) {
      reach += (loops[d].extent - 1) * std::abs(loops[d].strides[k]);
    }
    if (reach > kLargestNarrowIndex) return false;
  }
  return true;
}

/// Calls body(Index{}) for the narrower type that suffices.
template <class Body>
void with_index(bool narrow, const Body& body) {
  narrow ? body(std::int32_t{}) : body(std::int64_t{});
}

}  // namespace metatape::kernels
