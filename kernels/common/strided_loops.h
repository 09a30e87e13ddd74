#pragma once

// Loop nests in canonical form, shared by the kernels that read operands through strides: no loop
// of extent 1, and neighbours merged wherever every operand steps through them as one loop. So
// dense operands become a single loop, and a kernel needs to be good at the innermost loop only.

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/common/extents.h"

namespace metatape::kernels {

/// Element offsets or strides, one per operand.
template <int kOperands>
using Offsets = std::array<std::int64_t, kOperands>;

template <int kOperands>
struct StridedLoop {
  std::int64_t extent = 1;
  Offsets<kOperands> strides{};
};

template <int kOperands>
class StridedLoops {
 public:
  /// Adds a loop inside all present ones.
  void append(const StridedLoop<kOperands>& loop) {
    if (loop.extent == 1) return;
    if (rank_ > 0 && continues(loops_[rank_ - 1], loop)) {
      loops_[rank_ - 1] = {loops_[rank_ - 1].extent * loop.extent, loop.strides};
    } else {
      loops_[rank_++] = loop;
    }
  }

  int rank() const { return rank_; }
  const StridedLoop<kOperands>& operator[](int d) const { return loops_[d]; }

  /// The innermost loop; one of extent 1 if there are none.
  StridedLoop<kOperands> inner() const {
    return rank_ > 0 ? loops_[rank_ - 1] : StridedLoop<kOperands>{};
  }

  std::int64_t count() const {
    std::int64_t n = 1;
    for (int d = 0; d < rank_; ++d) n *= loops_[d].extent;
    return n;
  }

 private:
  static bool continues(const StridedLoop<kOperands>& outer, const StridedLoop<kOperands>& inner) {
    for (int k = 0; k < kOperands; ++k) {
      if (outer.strides[k] != inner.extent * inner.strides[k]) return false;
    }
    return true;
  }

  int rank_ = 0;
  std::array<StridedLoop<kOperands>, kMaxRank> loops_{};
};

inline constexpr unsigned kAllLoops = ~0u;

/// The loops of `nest` whose bit is set in `selected`, in canonical form.
template <int kOperands>
StridedLoops<kOperands> canonical_loops(const LoopNest& nest,
                                        const std::array<Extents, kOperands>& strides,
                                        unsigned selected = kAllLoops) {
  StridedLoops<kOperands> loops;
  for (int d = 0; d < nest.rank; ++d) {
    if ((selected >> d & 1u) == 0) continue;
    StridedLoop<kOperands> loop{.extent = nest.extents[d]};
    for (int k = 0; k < kOperands; ++k) loop.strides[k] = strides[k][d];
    loops.append(loop);
  }
  return loops;
}

/// Walks the elements [begin, end) of the loops, counted in loop order, as pieces of the innermost
/// loop: run(first, length, offsets) has the number of the piece's first element and its offset in
/// each operand. No loop may have extent 0.
template <int kOperands, class Run>
void for_each_run(const StridedLoops<kOperands>& loops, std::int64_t begin, std::int64_t end,
                  const Run& run) {
  const StridedLoop<kOperands> inner = loops.inner();
  std::array<std::int64_t, kMaxRank> index{};
  Offsets<kOperands> row{};
  std::int64_t rest = begin / inner.extent;
  for (int d = loops.rank() - 2; d >= 0; --d) {
    index[d] = rest % loops[d].extent;
    rest /= loops[d].extent;
    for (int k = 0; k < kOperands; ++k) row[k] += index[d] * loops[d].strides[k];
  }

  std::int64_t start = begin % inner.extent;
  for (std::int64_t position = begin; position < end; start = 0) {
    const std::int64_t length = std::min(inner.extent - start, end - position);
    Offsets<kOperands> offsets = row;
    for (int k = 0; k < kOperands; ++k) offsets[k] += start * inner.strides[k];
    run(position, length, offsets);
    position += length;
    for (int d = loops.rank() - 2; d >= 0; --d) {
      const StridedLoop<kOperands>& loop = loops[d];
      for (int k = 0; k < kOperands; ++k) row[k] += loop.strides[k];
      if (++index[d] < loop.extent) break;
      for (int k = 0; k < kOperands; ++k) row[k] -= loop.extent * loop.strides[k];
      index[d] = 0;
    }
  }
}

// How an operand is stepped through in the innermost loop, as a type, so that the common steps
// compile to vector loads and broadcasts.

struct UnitStep {
  std::int64_t operator()(std::int64_t i) const { return i; }
};
struct NoStep {
  std::int64_t operator()(std::int64_t) const { return 0; }
};
struct AnyStep {
  std::int64_t stride;
  std::int64_t operator()(std::int64_t i) const { return i * stride; }
};

/// Calls body(step of a, step of b) for the two strides of an innermost loop.
template <class Body>
void with_steps(std::int64_t a_stride, std::int64_t b_stride, const Body& body) {
  if (a_stride == 1 && b_stride == 1) return body(UnitStep{}, UnitStep{});
  if (a_stride == 1 && b_stride == 0) return body(UnitStep{}, NoStep{});
  if (a_stride == 0 && b_stride == 1) return body(NoStep{}, UnitStep{});
  body(AnyStep{a_stride}, AnyStep{b_stride});
}

}  // namespace metatape::kernels
