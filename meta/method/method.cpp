#include "meta/method/method.h"

#include "engine/ops.h"

namespace metatape {
namespace {

Var class_divergence(Var first, Var second) {
  const Var log_p = log_softmax(first), log_q = log_softmax(second);
  return dot(exp(log_p), log_p - log_q) / double(first.extent(0));
}

/// |a - b|^2 / 2, mean over examples.
Var normal_divergence(Var first, Var second) {
  return 0.5 * double(first.extent(1)) * mean_squared_error(first, second);
}

TaskBatch with_own_copies(TaskBatch tasks) {
  tasks.theta = broadcast_tasks(tasks.theta, tasks.episode.query_x.tasks());
  return tasks;
}

}  // namespace

Objective classification_objective() {
  return {.loss = [](Var logits, Var label) { return cross_entropy(logits, label); },
          .score = [](Var logits, Var label) { return accuracy(logits, label); },
          .divergence = class_divergence};
}

Objective regression_objective() {
  const auto error = [](Var prediction, Var target) {
    return mean_squared_error(prediction, target);
  };
  return {.loss = error, .score = error, .divergence = normal_divergence};
}

Var query_features(const TaskBatch& tasks, const ParamSet& phi, Var x) {
  if (tasks.protocol == BatchNormProtocol::transductive) return tasks.model.features(phi, x);
  BatchStatistics support;
  tasks.model.features(phi, tasks.episode.support_x, {.seen = &support});
  return tasks.model.features(phi, x, {.given = &support});
}

Var predict_queries(const TaskBatch& tasks, const ParamSet& phi, Var x) {
  return tasks.model.head(phi, query_features(tasks, phi, x));
}

MetaStep record_meta_step(const Method& method, TaskBatch shared) {
  const TaskBatch tasks = with_own_copies(std::move(shared));
  Tape& tape = *tasks.episode.query_x.tape;
  Learned learned = method.adaptation->learn(tasks, method.steps);
  MetaStep step;
  {
    const Scope scope(tape, "query");
    const Var prediction = learned.predict(learned.steps, tasks.episode.query_x);
    step.loss = tasks.objective.loss(prediction, tasks.episode.query_y);
    step.score = tasks.objective.score(prediction, tasks.episode.query_y);
    step.outer_loss = method.query_loss->of(tasks, learned);
  }
  for (const auto& regularizer : method.regularizers)
    step.outer_loss = step.outer_loss + regularizer->penalty(tasks, learned);
  const Scope scope(tape, "meta_gradient");
  step.task_gradient = method.meta_gradient->of(tasks, learned, step.outer_loss);
  step.diagnostics = std::move(learned.diagnostics);
  step.assumptions = std::move(learned.assumptions);
  return step;
}

AdaptationCurve record_adaptation_curve(const Method& method, TaskBatch shared) {
  const TaskBatch tasks = with_own_copies(std::move(shared));
  const Learned learned = method.adaptation->learn(tasks, method.test_steps);
  AdaptationCurve curve;
  for (std::int64_t k = 0; k <= learned.steps; ++k) {
    const Scope scope(*tasks.episode.query_x.tape, "query");
    const Var prediction = learned.predict(k, tasks.episode.query_x);
    curve.loss.push_back(tasks.objective.loss(prediction, tasks.episode.query_y));
    curve.score.push_back(tasks.objective.score(prediction, tasks.episode.query_y));
  }
  return curve;
}

}  // namespace metatape
