#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/common/cpu_context.h"

namespace metatape::kernels {

/// Pieces of work, over all tasks, that keep the threads of a machine busy.
inline constexpr std::int64_t kPieces = 32;

/// Calls body(i) for i < items, on the threads of the context if the items touch enough elements
/// in all. Each thread gets one contiguous range of items; items must not depend on each other.
template <class Body>
void parallel_for(std::int64_t items, std::int64_t elements, const CpuContext& context,
                  const Body& body) {
  if (context.threads <= 1 || items <= 1 || elements < kParallelElements) {
    for (std::int64_t i = 0; i < items; ++i) body(i);
    return;
  }
#pragma omp parallel for schedule(static) num_threads(context.threads)
  for (std::int64_t i = 0; i < items; ++i) body(i);
}

/// Elements per piece of a streaming kernel: 64 KiB of float, so that starting a piece (some 50 ns)
/// is below one percent of its work.
inline constexpr std::int64_t kPieceElements = 16384;

/// Calls body(begin, end) for consecutive pieces of [0, count).
template <class Body>
void parallel_pieces(std::int64_t count, const CpuContext& context, const Body& body) {
  const std::int64_t pieces = (count + kPieceElements - 1) / kPieceElements;
  parallel_for(pieces, count, context, [&](std::int64_t piece) {
    const std::int64_t begin = piece * kPieceElements;
    body(begin, std::min(count, begin + kPieceElements));
  });
}

}  // namespace metatape::kernels
