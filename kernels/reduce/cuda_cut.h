#pragma once

// How a sum is cut among the threads of a GPU: by extents alone, so that the order of additions,
// and the workspace, do not depend on strides, alignment or the device.
//
//   innermost loop kept:    a block has the outputs of one tile in its first dimension and `lanes`
//                           rows of terms in its second; row r belongs to lane r mod lanes
//   innermost loop reduced: `lanes` neighbouring threads share an output; groups of four terms go
//                           round them
//
// If that gives too few blocks for a GPU, the terms are cut into segments, whose sums go to the
// workspace and are summed by a second launch in the same way.

#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/common/extents.h"
#include "kernels/common/strided_index.h"

namespace metatape::kernels {

inline constexpr int kSumThreads = 256;
inline constexpr int kSumWidth = 4;  ///< outputs of a thread, or terms of a group: 16 bytes
/// One wave of an H100: 132 multiprocessors with 8 blocks of 256 threads, rounded down.
inline constexpr std::int64_t kSumBlocks = 1024;
/// Below this many loads a thread costs more to start, and to combine, than it saves.
inline constexpr std::int64_t kLeastLoads = 8;

struct CudaCut {
  std::int64_t outputs = 1, terms = 1;
  bool innermost_is_reduced = false;
  int lanes = 1;                           ///< a power of two, at most kSumThreads
  std::int64_t segment = 1, segments = 1;  ///< terms per segment

  static std::int64_t ceil_power(std::int64_t n) {
    return std::int64_t(std::bit_ceil(std::uint64_t(std::max<std::int64_t>(n, 1))));
  }

  static CudaCut of(const LoopNest& nest, unsigned reduced) {
    CudaCut cut;
    for (int d = 0; d < nest.rank; ++d) {
      const bool summed = (reduced >> d & 1u) != 0;
      (summed ? cut.terms : cut.outputs) *= nest.extents[d];
      if (nest.extents[d] > 1) cut.innermost_is_reduced = summed;
    }
    if (cut.outputs == 0 || cut.terms == 0) return cut;
    cut.lanes = cut.choose_lanes();
    const std::int64_t loads = cut.innermost_is_reduced ? kLeastLoads * kSumWidth : kLeastLoads;
    const std::int64_t fitting = ceil_div(cut.terms, cut.lanes * loads);
    cut.cut_terms(std::clamp<std::int64_t>(kSumBlocks / cut.blocks(), 1, fitting));
    return cut;
  }

  /// The second launch: [outputs, segments] or [segments, outputs] to outputs. There are few of
  /// them, so latency counts: as many lanes as are useful.
  CudaCut of_segments() const {
    CudaCut cut{
        .outputs = outputs, .terms = segments, .innermost_is_reduced = innermost_is_reduced};
    cut.lanes = cut.useful_lanes();
    cut.cut_terms(1);
    return cut;
  }

  /// Threads of a block side by side in the outputs.
  int outputs_across() const { return kSumThreads / lanes; }

  /// Blocks of one segment, the outputs of a thread being a vector if the innermost loop is kept.
  std::int64_t blocks() const {
    const int width = innermost_is_reduced ? 1 : kSumWidth;
    return ceil_div(outputs, std::int64_t{width} * outputs_across());
  }

 private:
  /// More would have nothing to add.
  int useful_lanes() const {
    const std::int64_t loads = innermost_is_reduced ? kSumWidth : kLeastLoads;
    return int(std::min<std::int64_t>(kSumThreads, ceil_power(ceil_div(terms, loads))));
  }

  int choose_lanes() const {
    if (innermost_is_reduced) return useful_lanes();
    // 16 lanes leave 256 contiguous bytes of each row to a block. With fewer outputs than that,
    // more lanes keep the threads busy.
    const std::int64_t spare = kSumThreads * kSumWidth / ceil_power(outputs);
    return int(std::min<std::int64_t>(useful_lanes(), std::max<std::int64_t>(16, spare)));
  }

  void cut_terms(std::int64_t count) {
    segment = ceil_div(ceil_div(terms, count), kSumWidth) * kSumWidth;
    segments = ceil_div(terms, segment);
  }
};

}  // namespace metatape::kernels
