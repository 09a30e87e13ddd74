#include "meta/adapt/closed_form.h"

#include "engine/ops.h"

namespace metatape {

Var support_features(const TaskBatch& tasks) {
  return tasks.model.features(tasks.theta, tasks.episode.support_x);
}

Var support_targets(const TaskBatch& tasks) {
  const Var y = tasks.episode.support_y;
  if (is_float(y.dtype())) return y;
  return put_label(fill(*y.tape, y.shape(), 1, tasks.iteration.dtype()), y, tasks.model.outputs);
}

Var with_ridge(Var gram, Var lambda) {
  const Var ones = fill(*gram.tape, {gram.extent(-1)}, 1, gram.dtype());
  return gram + lambda * diagonal_matrix(ones);
}

Var learned_number(const TaskBatch& tasks, const char* name, double value) {
  for (const auto& entry : tasks.theta.entries())
    if (entry.name == name) return entry.value;
  return fill(*tasks.iteration.tape, {}, value, tasks.iteration.dtype());
}

Parameter learned_number(const char* name, double start) {
  return {.name = name,
          .group = parameter_group::kMethod,
          .shape = {},
          .init = {Initializer::Kind::constant, start}};
}

}  // namespace metatape
