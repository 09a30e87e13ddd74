#include "meta/method.h"

#include "engine/ops.h"

namespace metatape {

Objective classification_objective() {
  return {.loss = [](Var logits, Var label) { return cross_entropy(logits, label); },
          .score = [](Var logits, Var label) { return accuracy(logits, label); }};
}

Objective regression_objective() {
  const auto error = [](Var prediction, Var target) {
    return mean_squared_error(prediction, target);
  };
  return {.loss = error, .score = error};
}

MetaStep record_meta_step(const Model& model, const ParamSet& theta, const EpisodeVars& episode,
                          const Objective& objective, const Adaptation& adaptation) {
  Tape& tape = *episode.query_x.tape;
  // Every task starts from its own copy, so that the reverse sweep yields each task's gradient. The
  // copies cost nothing: readers take the shared value.
  const ParamSet start = broadcast_tasks(theta, episode.query_x.tasks());
  const ParamSet adapted =
      adapt(model, start, episode.support_x, episode.support_y, objective, adaptation).back();
  MetaStep step;
  {
    const Scope scope(tape, "query");
    const Var prediction = model.forward(adapted, episode.query_x);
    step.loss = objective.loss(prediction, episode.query_y);
    step.score = objective.score(prediction, episode.query_y);
  }
  const Scope scope(tape, "meta_gradient");
  step.task_gradient = grad(step.loss, start);
  return step;
}

AdaptationCurve record_adaptation_curve(const Model& model, const ParamSet& theta,
                                        const EpisodeVars& episode, const Objective& objective,
                                        const Adaptation& adaptation) {
  const ParamSet start = broadcast_tasks(theta, episode.query_x.tasks());
  AdaptationCurve curve;
  for (const ParamSet& phi :
       adapt(model, start, episode.support_x, episode.support_y, objective, adaptation)) {
    const Scope scope(*episode.query_x.tape, "query");
    const Var prediction = model.forward(phi, episode.query_x);
    curve.loss.push_back(objective.loss(prediction, episode.query_y));
    curve.score.push_back(objective.score(prediction, episode.query_y));
  }
  return curve;
}

ParamSet combine_mean(const ParamSet& task_gradient) { return mean_tasks(task_gradient); }

}  // namespace metatape
