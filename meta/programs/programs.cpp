#include "meta/programs/programs.h"

#include <algorithm>
#include <optional>
#include <ranges>
#include <span>

#include "engine/ops.h"
#include "engine/optim/optimizer.h"
#include "meta/method/compose.h"
#include "meta/outer/outer_rule.h"
#include "meta/outer/schedule.h"
#include "meta/programs/joined.h"
#include "meta/programs/recording.h"
#include "meta/programs/task_chunks.h"

namespace metatape {
namespace {

/// Context parameters start at their initial value in each task: the outer loop leaves them.
ParamSet without_group(const ParamSet& all, const std::string& group) {
  ParamSet rest;
  for (const auto& entry : all.entries())
    if (entry.group != group) rest.add(entry.name, entry.group, entry.value);
  return rest;
}

/// The moving average of theta, a state for each parameter, if the method has one.
ParamSet declare_average(const Method& method, const ParamSet& theta) {
  if (method.query_loss->average_momentum() == 0) return {};
  std::vector<Var> values;
  for (const auto& [name, group, value] : theta.entries())
    values.push_back(value.tape->state(kAverageState + name, value.shape(), value.dtype()));
  return theta.with_values(values);
}

/// The tasks of all ranks, in the order of the tasks: by one exchange.
MetaStep of_all_ranks(MetaStep step, int ranks) {
  std::vector<Var> gradient = step.task_gradient.values();
  std::vector<Var*> places{&step.loss, &step.score};
  for (Var& g : gradient) places.push_back(&g);
  for (Diagnostic& d : step.diagnostics) places.push_back(&d.value);
  for (Assumption& a : step.assumptions) places.push_back(&a.broken);
  std::vector<Var> values;
  for (const Var* place : places) values.push_back(*place);
  const std::vector<Var> all = taken_apart(gather_over_ranks(joined(values), ranks), values);
  for (std::size_t k = 0; k < all.size(); ++k) *places[k] = all[k];
  step.task_gradient = step.task_gradient.with_values(gradient);
  return step;
}

/// NaN where some tasks broke an assumption, so that no state changes after it: sqrt of a negative
/// count.
Var guarded(Var loss, std::span<const Var> broken_counts) {
  for (const Var& count : broken_counts) loss = loss + 0.0 * sqrt(-count);
  return loss;
}

/// NaN where an element of the meta-gradient is not finite, else the bits of the loss: an infinite
/// or undefined derivative must not reach a state, and the loss before it may be finite.
Var guarded(Var loss, const ParamSet& gradient) {
  Var total = sum(gradient.entries().at(0).value);
  for (const Var& g : gradient.values() | std::views::drop(1)) total = total + sum(g);
  return loss + 0.0 * total;
}

Var zero(Tape& tape) { return fill(tape, {}, 0, DType::i32); }

/// Fetches the number of tasks that broke each assumption, after what is wanted.
RecordedProgram end_with_assumptions(Recording recording, const EpisodeInput& input,
                                     std::vector<Var> fetch,
                                     const std::vector<Assumption>& assumptions,
                                     const Target& target) {
  for (const Assumption& a : assumptions) fetch.push_back(sum_tasks(sign(a.broken)));
  RecordedProgram recorded =
      end_recording(std::move(recording), input, {.fetch = fetch, .update = {}, .target = target});
  for (const Assumption& a : assumptions) recorded.assumptions.push_back(a.message);
  return recorded;
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

}  // namespace

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

RecordedProgram record_training(const Config& asked, const Model& model, const EpisodeInput& input,
                                const Target& target) {
  const int ranks = target.ranks;
  const Config config = dealt_to_ranks(asked, ranks);
  Recording r = begin_recording(config, model);
  Tape& tape = *r.tape;
  const DType dtype = precision_of(config);
  const std::int64_t tasks = tasks_at_once(config, ranks);
  const Var done = tape.state(kIterationState, {}, DType::i32);
  std::optional<TaskChunks> chunks;
  if (can_chunk(config) && tasks < config.outer.tasks) chunks.emplace(done, config, ranks);
  const Var iteration = chunks ? chunks->iteration() : done;
  const Var first_task =
      tasks < config.outer.tasks ? tape.input(kFirstTask, {}, DType::i32) : zero(tape);
  r.episodes = input.source ? input.source->record(tape, iteration, first_task, tasks, dtype)
                            : declare_episodes(tape, input.layout, tasks, dtype);
  const Method method = compose(config);
  const Objective objective = objective_of(input.layout.kind);
  const ParamSet average = declare_average(method, r.theta);
  MetaStep step = record_meta_step(method, {.model = model,
                                            .objective = objective,
                                            .theta = r.theta,
                                            .episode = r.episodes,
                                            .iteration = cast(iteration, dtype),
                                            .average = average});
  const Scope scope(tape, "outer");
  const ParamSet learned = without_group(r.theta, parameter_group::kContext);
  if (ranks > 1 && !chunks) step = of_all_ranks(std::move(step), ranks);
  ParamSet gradient =
      without_group(method.combination->combine(step.task_gradient), parameter_group::kContext);
  std::vector<Var> means = gradient.values(), broken;
  for (const Var& of_task : {step.loss, step.score}) means.push_back(mean_tasks(of_task));
  for (const Diagnostic& d : step.diagnostics) means.push_back(mean_tasks(d.value));
  for (const Assumption& a : step.assumptions) broken.push_back(sum_tasks(sign(a.broken)));
  if (chunks) chunks->add_up(means, broken);
  gradient = gradient.with_values(std::span(means).first(gradient.size()));
  means.erase(means.begin(), means.begin() + std::ptrdiff_t(gradient.size()));
  std::vector<Update> updates = optimizer_of(config)->step(
      learned, clipped(gradient, {.element = config.outer.clip, .norm = config.outer.clip_norm}));
  for (const auto& [name, group, value] : average.entries()) {
    const double momentum = method.query_loss->average_momentum();
    updates.push_back({value, momentum * value + (1 - momentum) * r.theta[name]});
  }
  if (config.outer.schedule != "constant")
    updates.push_back(next_step_size(config, tape, iteration));
  if (chunks) updates = chunks->updates(std::move(updates));
  updates.push_back({done, increment(iteration)});
  std::vector<Var> fetch = std::move(means);
  fetch[0] = guarded(guarded(fetch[0], broken), gradient);
  fetch.insert(fetch.end(), broken.begin(), broken.end());
  RecordedProgram recorded =
      end_recording(std::move(r), input, {.fetch = fetch, .update = updates, .target = target});
  recorded.runs = config.outer.tasks / (tasks * ranks);
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
  AdaptationCurve curve = record_adaptation_curve(compose_learning(config),
                                                  {.model = model,
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
  const Method method = compose_learning(config);
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
  RecordedProgram recorded =
      end_with_assumptions(std::move(r), layout, std::move(fetch), learned.assumptions, target);
  recorded.inner_steps = learned.steps;
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
                                .iteration = fill(*r.tape, {}, 0, precision_of(config)),
                                .average = declare_average(method, r.theta)});
  std::vector<Var> fetch{step.loss};
  for (const Var& v : method.combination->combine(step.task_gradient).values()) fetch.push_back(v);
  for (const Var& v : step.task_gradient.values()) fetch.push_back(v);
  return end_with_assumptions(std::move(r), layout, std::move(fetch), step.assumptions, target);
}

void begin_average(const Program& program, StateStore& store) {
  const std::string prefix = kAverageState;
  for (const Slot& slot : program.graph.tape->slots())
    if (slot.name.starts_with(prefix) && !store.contains(slot.name))
      store[slot.name] = store.at("theta/" + slot.name.substr(prefix.size()));
}

}  // namespace metatape
