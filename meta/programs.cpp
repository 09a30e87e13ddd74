#include "meta/programs.h"

#include <algorithm>

#include "engine/ops.h"
#include "engine/optim/optimizer.h"

namespace metatape {
namespace {

/// Declares the four inputs of a batch of tasks.
EpisodeVars declare_episodes(Tape& tape, const EpisodeLayout& layout, std::int64_t tasks,
                             DType dtype) {
  auto examples = [&](const char* name, const std::vector<std::int64_t>& extents) {
    return tape.input(name, Shape(tasks, extents), dtype);
  };
  auto targets = [&](const char* name, const std::vector<std::int64_t>& extents) {
    return layout.kind == TaskKind::classification
               ? tape.input(name, Shape{extents[0]}.with_tasks(tasks), DType::i32)
               : tape.input(name, Shape{extents[0], layout.ways}.with_tasks(tasks), dtype);
  };
  return {examples("support_x", layout.support_x), targets("support_y", layout.support_x),
          examples("query_x", layout.query_x), targets("query_y", layout.query_x)};
}

/// A tape with the parameters and one batch of tasks declared.
struct Recording {
  std::unique_ptr<Tape> tape;
  ParamSet theta;
  EpisodeVars episodes;
};

Recording begin_recording(const Config& config, const Model& model, const EpisodeLayout& layout,
                          std::int64_t tasks) {
  auto tape = std::make_unique<Tape>();
  const DType dtype = precision_of(config);
  const ParamSet theta = declare_parameters(*tape, model.parameters, dtype);
  const EpisodeVars episodes = declare_episodes(*tape, layout, tasks, dtype);
  return {std::move(tape), theta, episodes};
}

RecordedProgram end_recording(Recording recording, const CompileOptions& options) {
  Program program = compile(*recording.tape, options);
  return {std::move(recording.tape), std::move(program)};
}

std::unique_ptr<Optimizer> optimizer_of(const Config& config) {
  if (config.outer.optimizer == "sgd") return make_sgd({.momentum = config.outer.momentum});
  return make_adam();
}

template <class From, class To>
void convert(std::span<const From> values, std::span<std::byte> bytes) {
  auto* to = reinterpret_cast<To*>(bytes.data());
  std::copy(values.begin(), values.end(), to);
}

template <class T>
void feed(CpuExecutor& executor, const char* name, const std::vector<T>& values) {
  if (!executor.has_input(name)) return;
  Tensor& input = executor.input(name);
  if (std::int64_t(values.size()) != input.elements())
    fail(ErrorKind::internal, name, "{} values for {}", values.size(), input.shape().str());
  if (input.dtype() == DType::f64)
    convert<T, double>(values, input.bytes());
  else if (input.dtype() == DType::f32)
    convert<T, float>(values, input.bytes());
  else
    convert<T, std::int32_t>(values, input.bytes());
}

}  // namespace

DType precision_of(const Config& config) {
  return config.train.precision == "fp64" ? DType::f64 : DType::f32;
}

Adaptation adaptation_of(const Config& config, std::int64_t steps) {
  using A = Adaptation;
  const std::string& which = config.inner.adapt;
  return {.adapted = which == "head"   ? A::Adapted::head
                     : which == "body" ? A::Adapted::body
                                       : A::Adapted::all,
          .order = config.inner.order == "first" ? A::Order::first : A::Order::exact,
          .steps = steps,
          .lr = config.inner.lr,
          .recompute = config.inner.recompute};
}

Objective objective_of(TaskKind kind) {
  return kind == TaskKind::classification ? classification_objective() : regression_objective();
}

RecordedProgram record_training(const Config& config, const Model& model,
                                const EpisodeLayout& layout, const Target& target) {
  Recording r = begin_recording(config, model, layout, config.outer.tasks);
  const MetaStep step = record_meta_step(model, r.theta, r.episodes, objective_of(layout.kind),
                                         adaptation_of(config, config.inner.steps));
  const Scope scope(*r.tape, "outer");
  const std::vector<Update> updates =
      optimizer_of(config)->step(r.theta, combine_mean(step.task_gradient));
  return end_recording(std::move(r), {.fetch = {mean_tasks(step.loss), mean_tasks(step.score)},
                                      .update = updates,
                                      .target = target});
}

RecordedProgram record_evaluation(const Config& config, const Model& model,
                                  const EpisodeLayout& layout, std::int64_t tasks,
                                  const Target& target) {
  Recording r = begin_recording(config, model, layout, tasks);
  AdaptationCurve curve =
      record_adaptation_curve(model, r.theta, r.episodes, objective_of(layout.kind),
                              adaptation_of(config, config.inner.test_steps));
  std::vector<Var> fetch = std::move(curve.loss);
  fetch.insert(fetch.end(), curve.score.begin(), curve.score.end());
  return end_recording(std::move(r), {.fetch = fetch, .update = {}, .target = target});
}

RecordedProgram record_gradients(const Config& config, const Model& model,
                                 const EpisodeLayout& layout, const Target& target) {
  Recording r = begin_recording(config, model, layout, config.outer.tasks);
  const MetaStep step = record_meta_step(model, r.theta, r.episodes, objective_of(layout.kind),
                                         adaptation_of(config, config.inner.steps));
  std::vector<Var> fetch{step.loss};
  for (const Var& v : combine_mean(step.task_gradient).values()) fetch.push_back(v);
  for (const Var& v : step.task_gradient.values()) fetch.push_back(v);
  return end_recording(std::move(r), {.fetch = fetch, .update = {}, .target = target});
}

void feed_episodes(CpuExecutor& executor, const EpisodeBatch& batch) {
  feed(executor, "support_x", batch.support_x);
  feed(executor, "query_x", batch.query_x);
  if (batch.support_target.empty() && batch.query_target.empty()) {
    feed(executor, "support_y", batch.support_y);
    feed(executor, "query_y", batch.query_y);
  } else {
    feed(executor, "support_y", batch.support_target);
    feed(executor, "query_y", batch.query_target);
  }
}

}  // namespace metatape
