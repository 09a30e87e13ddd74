#pragma once

#include <array>
#include <cstdint>

namespace metatape::kernels {

/// Task extent plus at most five extents of the value itself.
inline constexpr int kMaxRank = 6;

using Extents = std::array<std::int64_t, kMaxRank>;

/// A walk over `rank` nested loops. Kernels that broadcast or permute take one of these per operand
/// as element strides: 0 repeats the operand along that loop.
struct LoopNest {
  int rank = 0;
  Extents extents{};  ///< outermost first; unused entries are ignored

  std::int64_t count() const {
    std::int64_t n = 1;
    for (int d = 0; d < rank; ++d) n *= extents[d];
    return n;
  }
};

}  // namespace metatape::kernels
