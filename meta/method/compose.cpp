#include "meta/method/compose.h"

#include "meta/method/part.h"

namespace metatape {

Method compose(const Config& c) {
  return {.adaptation = chosen_part<Adaptation>(c).make(c),
          .query_loss = chosen_part<QueryLoss>(c).make(c),
          .regularizers = active_regularizers(c),
          .meta_gradient = chosen_part<MetaGradient>(c).make(c),
          .combination = chosen_part<Combination>(c).make(c),
          .steps = c.inner.steps,
          .test_steps = c.inner.test_steps};
}

Method compose_learning(Config c) {
  if (c.inner.hvp == "forward") c.inner.hvp = "exact";
  return compose(c);
}

Objective objective_of(TaskKind kind) {
  return kind == TaskKind::classification ? classification_objective() : regression_objective();
}

BatchNormProtocol protocol_of(const Config& c) {
  return c.eval.protocol == "inductive" ? BatchNormProtocol::inductive
                                        : BatchNormProtocol::transductive;
}

Model with_method_parameters(Model model, const Method& method) {
  if (method.adaptation->replaces_head())
    std::erase_if(model.parameters,
                  [](const Parameter& p) { return p.group == parameter_group::kHead; });
  for (const Parameter& p : method.adaptation->parameters(model)) model.parameters.push_back(p);
  return model;
}

}  // namespace metatape
