#include "meta/adapt/closed_form.h"

#include "engine/ops.h"
#include "meta/adapt/step_settings.h"
#include "meta/settings/refuse.h"

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

ClosedFormOptions closed_form_options(const Config& c) {
  return {.lambda = c.head.lambda,
          .sigma = c.head.sigma > 0 ? c.head.sigma : 1,  // 0: the first batch will tell
          .scale = c.head.scale,
          .learn = c.head.learn,
          .first_order = c.head.first_order,
          .margin = c.head.margin,
          .qp_steps = c.head.qp_steps};
}

void check_closed_form(const Config& c) {
  const std::string& solver = c.inner.solver;
  refuse_step_settings(c);
  refuse_if(c.inner.adapt != "all", "inner.adapt",
            "{} solves for a head of its own and adapts no parameters, found {}; drop it", solver,
            c.inner.adapt);
  refuse_if(c.inner.order != "exact", "inner.order",
            "{} has no inner gradients, found {}; use head.first_order=true", solver,
            c.inner.order);
  refuse_if(c.inner.recompute, "inner.recompute",
            "{} has no inner steps: there is nothing to recompute; drop it", solver);
}

void check_classes(const Config& c) {
  refuse_if(c.task.kind == "sinusoid", "inner.solver",
            "{} needs classes, sinusoid tasks have none; use ridge or rbf_ridge", c.inner.solver);
}

void check_scale(const Config& c) {
  refuse_if(c.head.scale <= 0, "head.scale",
            "found {}: logits of no size have no derivative; expected a number > 0", c.head.scale);
}

void check_ridge_weight(const Config& c) {
  refuse_if(c.head.lambda <= 0, "head.lambda",
            "found {}: it makes the system of {} positive definite and its logarithm is learned; "
            "expected a number > 0",
            c.head.lambda, c.inner.solver);
}

}  // namespace metatape
