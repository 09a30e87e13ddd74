#include "meta/programs.h"

#include <algorithm>

#include "engine/ops.h"
#include "engine/optim/optimizer.h"
#include "meta/compose.h"
#include "meta/outer/outer_rule.h"
#include "meta/outer/schedule.h"

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

constexpr const char* kFirstTask = "episodes/first_task";

/// A tape with the parameters and, as soon as they are known, the tasks.
struct Recording {
  std::unique_ptr<Tape> tape;
  ParamSet theta;
  EpisodeVars episodes = {};
};

Recording begin_recording(const Config& config, const Model& model) {
  auto tape = std::make_unique<Tape>();
  const ParamSet theta = declare_parameters(*tape, model.parameters, precision_of(config));
  return {std::move(tape), theta};
}

/// Context parameters start at their initial value in each task: the outer loop leaves them.
ParamSet without_group(const ParamSet& all, const std::string& group) {
  ParamSet rest;
  for (const auto& entry : all.entries())
    if (entry.group != group) rest.add(entry.name, entry.group, entry.value);
  return rest;
}

/// NaN where an assumption broke, so that no state changes after it: sqrt of a negative count.
Var guarded(Var loss, const std::vector<Assumption>& assumptions) {
  for (const Assumption& a : assumptions) loss = loss + 0.0 * sqrt(-sum_tasks(sign(a.broken)));
  return loss;
}

/// Evaluation comes after training: schedules stand at their end.
Var trained_iterations(Tape& tape, const Config& config) {
  return fill(tape, {}, double(config.train.iterations), precision_of(config));
}

Var zero(Tape& tape) { return fill(tape, {}, 0, DType::i32); }

RecordedProgram end_recording(Recording recording, const EpisodeInput& input,
                              const CompileOptions& options) {
  Program program = compile(*recording.tape, options);
  return {std::move(recording.tape), std::move(program), input.source != nullptr};
}

std::unique_ptr<Optimizer> optimizer_of(const Config& config) {
  if (config.outer.optimizer == "normalized_sgd")
    return make_normalized_sgd({.momentum = config.outer.momentum});
  if (config.outer.optimizer == "sgd") return make_sgd({.momentum = config.outer.momentum});
  return make_adam();
}

/// The optimiser reads its step size from a state: a schedule leaves that of the next meta-step.
Update next_step_size(const Config& config, Tape& tape, Var iteration) {
  const DType dtype = precision_of(config);
  const Schedule schedule = config.outer.schedule == "linear" ? Schedule::linear : Schedule::cosine;
  return {tape.state(kLearningRateState, {}, dtype),
          scheduled(schedule, fill(tape, {}, config.outer.lr, dtype), cast(iteration, dtype) + 1.0,
                    config.train.iterations, config.outer.final_lr)};
}

template <class From, class To>
void convert(std::span<const From> values, std::span<std::byte> bytes) {
  auto* to = reinterpret_cast<To*>(bytes.data());
  std::copy(values.begin(), values.end(), to);
}

template <class T>
void feed(Executor& executor, const char* name, const std::vector<T>& values) {
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

EpisodeInput EpisodeInput::drawn_from(const EpisodeSource& source) {
  EpisodeInput input(source.layout());
  input.source = &source;
  return input;
}

EpisodeInput episode_input(const Config& config, const EpisodeSource& source,
                           const Target& target) {
  const bool draws = config.data.resident && source.can_record() && target.device == Device::cuda;
  return draws ? EpisodeInput::drawn_from(source) : EpisodeInput(source.layout());
}

RecordedProgram record_training(const Config& config, const Model& model, const EpisodeInput& input,
                                const Target& target) {
  Recording r = begin_recording(config, model);
  Tape& tape = *r.tape;
  const DType dtype = precision_of(config);
  const std::int64_t tasks = config.outer.tasks;
  const Var iteration = tape.state(kIterationState, {}, DType::i32);
  r.episodes = input.source ? input.source->record(tape, iteration, zero(tape), tasks, dtype)
                            : declare_episodes(tape, input.layout, tasks, dtype);
  const Method method = compose(config);
  const Objective objective = objective_of(input.layout.kind);
  const MetaStep step = record_meta_step(method, {.model = model,
                                                  .objective = objective,
                                                  .theta = r.theta,
                                                  .episode = r.episodes,
                                                  .iteration = cast(iteration, dtype)});
  const Scope scope(tape, "outer");
  const ParamSet learned = without_group(r.theta, parameter_group::kContext);
  const ParamSet gradient =
      without_group(method.combination->combine(step.task_gradient), parameter_group::kContext);
  std::vector<Update> updates = optimizer_of(config)->step(
      learned, clipped(gradient, {.element = config.outer.clip, .norm = config.outer.clip_norm}));
  updates.push_back({iteration, increment(iteration)});
  if (config.outer.schedule != "constant")
    updates.push_back(next_step_size(config, tape, iteration));
  std::vector<Var> fetch{guarded(mean_tasks(step.loss), step.assumptions), mean_tasks(step.score)};
  for (const Diagnostic& d : step.diagnostics) fetch.push_back(mean_tasks(d.value));
  for (const Assumption& a : step.assumptions) fetch.push_back(sum_tasks(sign(a.broken)));
  RecordedProgram recorded =
      end_recording(std::move(r), input, {.fetch = fetch, .update = updates, .target = target});
  for (const Diagnostic& d : step.diagnostics) recorded.diagnostics.push_back(d.name);
  for (const Assumption& a : step.assumptions) recorded.assumptions.push_back(a.message);
  return recorded;
}

RecordedProgram record_evaluation(const Config& config, const Model& model,
                                  const EpisodeInput& input, std::int64_t tasks,
                                  const Target& target) {
  Recording r = begin_recording(config, model);
  Tape& tape = *r.tape;
  const DType dtype = precision_of(config);
  if (input.source) {
    const Var first_task = tape.input(kFirstTask, {}, DType::i32);
    r.episodes = input.source->record(tape, zero(tape), first_task, tasks, dtype);
  } else {
    r.episodes = declare_episodes(tape, input.layout, tasks, dtype);
  }
  const Objective objective = objective_of(input.layout.kind);
  AdaptationCurve curve =
      record_adaptation_curve(compose(config), {.model = model,
                                                .objective = objective,
                                                .theta = r.theta,
                                                .episode = r.episodes,
                                                .iteration = trained_iterations(tape, config),
                                                .protocol = protocol_of(config)});
  std::vector<Var> fetch = std::move(curve.loss);
  fetch.insert(fetch.end(), curve.score.begin(), curve.score.end());
  return end_recording(std::move(r), input, {.fetch = fetch, .update = {}, .target = target});
}

RecordedProgram record_prediction(const Config& config, const Model& model,
                                  const EpisodeLayout& layout, const Target& target) {
  Recording r = begin_recording(config, model);
  Tape& tape = *r.tape;
  r.episodes = declare_episodes(tape, layout, 1, precision_of(config));
  const Method method = compose(config);
  const Objective objective = objective_of(layout.kind);
  const TaskBatch task{.model = model,
                       .objective = objective,
                       .theta = broadcast_tasks(r.theta, 1),
                       .episode = r.episodes,
                       .iteration = trained_iterations(tape, config),
                       .protocol = protocol_of(config)};
  const Learned learned = method.adaptation->learn(task, method.test_steps);
  const Scope scope(tape, "query");
  std::vector<Var> fetch{exp(log_softmax(learned.predict(learned.steps, r.episodes.query_x)))};
  for (const Assumption& a : learned.assumptions) fetch.push_back(sum_tasks(sign(a.broken)));
  RecordedProgram recorded =
      end_recording(std::move(r), layout, {.fetch = fetch, .update = {}, .target = target});
  for (const Assumption& a : learned.assumptions) recorded.assumptions.push_back(a.message);
  return recorded;
}

RecordedProgram record_gradients(const Config& config, const Model& model,
                                 const EpisodeLayout& layout, const Target& target) {
  Recording r = begin_recording(config, model);
  r.episodes = declare_episodes(*r.tape, layout, config.outer.tasks, precision_of(config));
  const Method method = compose(config);
  const Objective objective = objective_of(layout.kind);
  const MetaStep step =
      record_meta_step(method, {.model = model,
                                .objective = objective,
                                .theta = r.theta,
                                .episode = r.episodes,
                                .iteration = fill(*r.tape, {}, 0, precision_of(config))});
  std::vector<Var> fetch{step.loss};
  for (const Var& v : method.combination->combine(step.task_gradient).values()) fetch.push_back(v);
  for (const Var& v : step.task_gradient.values()) fetch.push_back(v);
  return end_recording(std::move(r), layout, {.fetch = fetch, .update = {}, .target = target});
}

void feed_episodes(Executor& executor, const EpisodeBatch& batch) {
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

EpisodeFeed::EpisodeFeed(const RecordedProgram& recorded, const EpisodeSource& source,
                         Executor& executor)
    : source_(source), executor_(executor), draws_(recorded.draws_episodes) {
  if (!draws_) return;
  for (const auto& [name, bytes] : source.resident()) {
    if (!executor.has_input(name)) continue;
    const std::span<std::byte> input = executor.input(name).bytes();
    if (input.size() != bytes.size())
      fail(ErrorKind::internal, name, "{} bytes for an input of {}", bytes.size(), input.size());
    std::ranges::copy(bytes, input.begin());
  }
}

void EpisodeFeed::feed(std::int64_t iteration, std::int64_t first_task, std::int64_t tasks) {
  if (!draws_) {
    source_.draw(std::uint32_t(iteration), std::uint32_t(first_task), std::uint32_t(tasks), batch_);
    feed_episodes(executor_, batch_);
  } else if (executor_.has_input(kFirstTask)) {
    executor_.input(kFirstTask).set_at(0, double(first_task));
  }
}

}  // namespace metatape
