#include "meta/programs/joined.h"

#include "engine/ops.h"

namespace metatape {

Var joined(std::span<const Var> values) {
  std::vector<Var> flat;
  for (const Var& v : values) flat.push_back(reshape(v, {v.shape().elements_per_task()}));
  return concat(flat, 0);
}

std::vector<Var> taken_apart(Var array, std::span<const Var> like) {
  std::vector<Var> parts;
  std::int64_t start = 0;
  for (const Var& v : like) {
    const std::int64_t stop = start + v.shape().elements_per_task();
    parts.push_back(reshape(slice(array, 0, start, stop), v.shape().extents()));
    start = stop;
  }
  return parts;
}

}  // namespace metatape
