#include "meta/adapt/support_batches.h"

#include <algorithm>

#include "engine/ops.h"

namespace metatape {
namespace {

std::vector<std::int64_t> extents_after(Var v, std::initializer_list<std::int64_t> first) {
  std::vector<std::int64_t> extents = first;
  for (int axis = 1; axis < v.shape().rank(); ++axis) extents.push_back(v.extent(axis));
  return extents;
}

/// Examples first .. first + count - 1 of each class, the first one following the last.
Var examples(Var all, std::int64_t ways, std::int64_t first, std::int64_t count) {
  const std::int64_t shots = all.extent(0) / ways;
  const Var by_class = reshape(all, extents_after(all, {ways, shots}));
  const std::int64_t before_end = std::min(count, shots - first);
  Var chosen = slice(by_class, 1, first, first + before_end);
  if (before_end < count) {
    const Var parts[] = {chosen, slice(by_class, 1, 0, count - before_end)};
    chosen = concat(parts, 1);
  }
  return reshape(chosen, extents_after(all, {ways * count}));
}

}  // namespace

Examples support_batch(const EpisodeVars& episode, std::int64_t ways, std::int64_t per_class,
                       std::int64_t k) {
  const std::int64_t shots = episode.support_x.extent(0) / ways;
  if (per_class == 0 || per_class >= shots) return {episode.support_x, episode.support_y};
  const std::int64_t first = k * per_class % shots;
  return {examples(episode.support_x, ways, first, per_class),
          examples(episode.support_y, ways, first, per_class)};
}

}  // namespace metatape
