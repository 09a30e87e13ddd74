#include "kernels/moments/moments.h"

#include <algorithm>
#include <array>

#include "kernels/common/parallel.h"
#include "kernels/moments/join.h"

namespace metatape::kernels {

namespace {

/// Elements of a work item, and of a block of rows: the block is read twice, from the L1 cache.
constexpr std::int64_t kSegmentElements = 65536, kBlockElements = 2048;
constexpr std::int64_t kMostColumns = 256;  ///< of a block

std::int64_t segment_rows(std::int64_t columns) {
  return std::max<std::int64_t>(1, kSegmentElements / columns);
}

std::int64_t segments_of(std::int64_t rows, std::int64_t columns) {
  return (rows + segment_rows(columns) - 1) / segment_rows(columns);
}

template <class T>
using Columns = std::array<T, kMostColumns>;

/// Adds term(x) of each row's elements to sums.
template <class T, class Term>
void add_rows(const T* x, std::int64_t rows, std::int64_t columns, std::int64_t width,
              const Term& term, T* __restrict sums) {
  std::fill_n(sums, width, T(0));
  for (std::int64_t r = 0; r < rows; ++r, x += columns)
    for (std::int64_t c = 0; c < width; ++c) sums[c] += term(x[c], c);
}

/// Moments of `width` columns; x has `columns` of them in a row.
template <class T>
void moments_of_rows(const T* x, std::int64_t rows, std::int64_t columns, std::int64_t width,
                     T* __restrict mean, T* __restrict deviations) {
  const std::int64_t together = std::max<std::int64_t>(1, kBlockElements / width);
  Columns<T> block_mean, block_deviations;
  for (std::int64_t first = 0; first < rows; first += together) {
    const std::int64_t count = std::min(together, rows - first);
    const T* block = x + first * columns;
    add_rows(
        block, count, columns, width, [](T value, std::int64_t) { return value; },
        block_mean.data());
    for (std::int64_t c = 0; c < width; ++c) block_mean[c] /= T(count);
    add_rows(
        block, count, columns, width,
        [&](T value, std::int64_t c) { return (value - block_mean[c]) * (value - block_mean[c]); },
        block_deviations.data());
    if (first == 0) {
      std::copy_n(block_mean.begin(), width, mean);
      std::copy_n(block_deviations.begin(), width, deviations);
      continue;
    }
    for (std::int64_t c = 0; c < width; ++c)
      join_moments(T(first), mean[c], deviations[c], T(count), block_mean[c], block_deviations[c]);
  }
}

}  // namespace

template <class T>
void moments(const MomentsArgs<T>& a, const CpuContext& context) {
  const std::int64_t columns = a.columns, rows = segment_rows(columns);
  const std::int64_t segments = segments_of(a.rows, columns);
  T* const results = segments == 1 ? a.y : a.workspace;  // [tasks, segments, 2, columns]
  const auto rows_of = [&](std::int64_t segment) {
    return std::min(rows, a.rows - segment * rows);
  };
  parallel_for(a.tasks * segments, a.tasks * a.rows * columns, context, [&](std::int64_t item) {
    const std::int64_t task = item / segments, segment = item % segments;
    const T* x = a.x + (task * a.rows + segment * rows) * columns;
    T* mean = results + item * 2 * columns;
    for (std::int64_t c = 0; c < columns; c += kMostColumns)
      moments_of_rows(x + c, rows_of(segment), columns, std::min(kMostColumns, columns - c),
                      mean + c, mean + columns + c);
  });
  if (segments == 1) return;
  parallel_for(a.tasks, a.tasks * segments * columns, context, [&](std::int64_t task) {
    const T* parts = a.workspace + task * segments * 2 * columns;
    T* mean = a.y + task * 2 * columns;
    std::copy_n(parts, 2 * columns, mean);
    for (std::int64_t segment = 1; segment < segments; ++segment) {
      const T* part = parts + segment * 2 * columns;
      for (std::int64_t c = 0; c < columns; ++c)
        join_moments(T(segment * rows), mean[c], mean[columns + c], T(rows_of(segment)), part[c],
                     part[columns + c]);
    }
  });
}

std::int64_t moments_workspace_elements(std::int64_t tasks, std::int64_t rows, std::int64_t columns,
                                        const CpuContext&) {
  const std::int64_t segments = segments_of(rows, columns);
  return segments == 1 ? 0 : tasks * segments * 2 * columns;
}

template void moments(const MomentsArgs<float>&, const CpuContext&);
template void moments(const MomentsArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
