#pragma once

// The order of additions of every sum on the CPU, shared by kernels/reduce and kernels/fused.
//
// The terms of one output are numbered in loop order and cut into segments of a fixed length. If
// the innermost loop is kept, a segment adds rows of outputs, four terms at a time; if it is
// reduced, the terms of a segment go round 32 lanes. The sums of the segments are then added in
// pairs. Nothing here looks at strides or threads, so the sum of a broadcast operand has the bits
// of the sum of its dense copy, and a fused sum those of the separate one.
//
// Longest chain of dependent additions: 130 for 512 rows, 133 for 4096 terms in lanes, plus
// log2(segments); the first is what bounds the error by 4 eps sqrt(n) for every n.

#include "kernels/common/extents.h"
#include "kernels/common/parallel.h"

namespace metatape::kernels {

inline constexpr std::int64_t kRowSegment = 512;    ///< terms per segment, innermost loop kept
inline constexpr std::int64_t kLaneSegment = 4096;  ///< terms per segment, innermost loop reduced
inline constexpr std::int64_t kLanes = 32;  ///< four vectors of eight floats hide the add latency
inline constexpr std::int64_t kItemTerms = 32768;  ///< terms of one work item, about
inline constexpr std::int64_t kMinimalOutputs = 64, kMaximalOutputs = 1024;

/// How a sum is cut into pieces: by extents alone.
struct SumCut {
  SumCut(const LoopNest& nest, unsigned reduced) {
    for (int d = 0; d < nest.rank; ++d) {
      const bool summed = (reduced >> d & 1u) != 0;
      (summed ? terms : outputs) *= nest.extents[d];
      if (nest.extents[d] > 1) innermost_is_reduced = summed;
    }
    segment = innermost_is_reduced ? kLaneSegment : kRowSegment;
    segments = (terms + segment - 1) / segment;
    const std::int64_t fitting = kItemTerms / std::clamp<std::int64_t>(terms, 1, segment);
    // Rows are read faster whole: in place, by one evaluation for several of them.
    const std::int64_t widest = std::min(kMaximalOutputs, outputs * segments / kPieces);
    chunk = innermost_is_reduced ? fitting : std::max({fitting, widest, kMinimalOutputs});
    chunks = (outputs + chunk - 1) / chunk;
  }

  std::int64_t first_term(std::int64_t s) const { return s * segment; }
  std::int64_t end_term(std::int64_t s) const { return std::min(terms, first_term(s) + segment); }
  /// Elements of workspace: a sum of each segment and output.
  std::int64_t workspace() const { return segments > 1 ? segments * outputs : 0; }

  std::int64_t outputs = 1, terms = 1;  ///< kept elements, and terms summed into each
  bool innermost_is_reduced = false;
  std::int64_t segment, segments;  ///< terms per segment
  std::int64_t chunk, chunks;      ///< outputs per work item
};

/// Sum of term(i), i < count, in lanes: term i belongs to lane i mod kLanes. Fewer terms than lanes
/// are added one by one, which saves the additions of empty lanes.
template <class T, class Term>
T sum_lanes(std::int64_t count, const Term& term) {
  if (count < kLanes) {
    T sum = term(0);
    for (std::int64_t i = 1; i < count; ++i) sum += term(i);
    return sum;
  }
  T lanes[kLanes] = {};
  const std::int64_t whole = count / kLanes * kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (std::int64_t i = whole; i < count; ++i) lanes[i - whole] += term(i);
  for (std::int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::int64_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

/// y[k] = sum of workspace[s, k] over the segments s, in pairs: neighbours first.
template <class T>
void add_segments(const SumCut& cut, T* workspace, T* y, const CpuContext& context) {
  const std::int64_t outputs = cut.outputs, segments = cut.segments;
  parallel_pieces(outputs, context, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t apart = 1; apart < segments; apart *= 2) {
      for (std::int64_t s = 0; s + apart < segments; s += 2 * apart) {
        T* __restrict left = workspace + s * outputs;
        const T* __restrict right = workspace + (s + apart) * outputs;
        for (std::int64_t k = begin; k < end; ++k) left[k] += right[k];
      }
    }
    std::copy(workspace + begin, workspace + end, y + begin);
  });
}

}  // namespace metatape::kernels
