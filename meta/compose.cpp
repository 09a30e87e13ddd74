#include "meta/compose.h"

#include "meta/adapt/gradient_steps.h"
#include "meta/combine/combination.h"
#include "meta/outer/meta_gradient.h"
#include "meta/outer/query_loss.h"

namespace metatape {
namespace {

Adapted adapted_of(const Config& c) {
  if (c.inner.adapt == "head") return Adapted::head;
  if (c.inner.adapt == "body") return Adapted::body;
  if (c.inner.adapt == "context") return Adapted::context;
  return Adapted::all;
}

std::shared_ptr<const Adaptation> adaptation_of(const Config& c) {
  return make_gradient_steps({.adapted = adapted_of(c),
                              .exact = c.inner.order == "exact",
                              .lr = c.inner.lr,
                              .recompute = c.inner.recompute});
}

}  // namespace

Method compose(const Config& c) {
  return {.adaptation = adaptation_of(c),
          .query_loss = make_last_step_loss(),
          .regularizers = {},
          .meta_gradient = make_differentiated(),
          .combination = make_mean(),
          .steps = c.inner.steps,
          .test_steps = c.inner.test_steps};
}

Objective objective_of(TaskKind kind) {
  return kind == TaskKind::classification ? classification_objective() : regression_objective();
}

BatchNormProtocol protocol_of(const Config& c) {
  return c.eval.protocol == "inductive" ? BatchNormProtocol::inductive
                                        : BatchNormProtocol::transductive;
}

Model with_method_parameters(Model model, const Method& method) {
  for (const Parameter& p : method.adaptation->parameters(model)) model.parameters.push_back(p);
  return model;
}

}  // namespace metatape
