#include "meta/programs/consistency.h"

#include "engine/ops.h"
#include "meta/method/compose.h"
#include "meta/programs/recording.h"
#include "meta/programs/task_chunks.h"
#include "meta/regularize/trajectory.h"
#include "meta/training/episode_feed.h"

namespace metatape {

std::optional<TaskConsistency> task_consistency(const Method& method, const TaskBatch& tasks) {
  if (method.steps == 0) return std::nullopt;
  // The gradient after the last step is that of one more step, whose parameters nobody reads.
  Trajectory way = method.adaptation->learn(tasks, method.steps + 1).trajectory;
  if (way.gradient.empty()) return std::nullopt;
  const ParamSet last = way.gradient.back();
  way.gradient.pop_back();
  way.phi.pop_back();
  return TaskConsistency{phase_consistency(way), amplitude_consistency(way, last)};
}

std::optional<RecordedProgram> record_consistency(const Config& config, const Model& model,
                                                  const EpisodeLayout& layout,
                                                  const Target& target) {
  Recording r = begin_recording(config, model);
  r.episodes = declare_episodes(*r.tape, layout, tasks_at_once(config), precision_of(config));
  const Objective objective = objective_of(layout.kind);
  const auto measured = task_consistency(compose_learning(config),
                                         {.model = model,
                                          .objective = objective,
                                          .theta = broadcast_tasks(r.theta, tasks_at_once(config)),
                                          .episode = r.episodes,
                                          .iteration = trained_iterations(*r.tape, config)});
  if (!measured) return std::nullopt;
  const std::vector<Var> fetch{mean_tasks(measured->phase), mean_tasks(measured->amplitude)};
  return end_recording(std::move(r), layout, {.fetch = fetch, .update = {}, .target = target});
}

Consistency measure_consistency(const RecordedProgram& recorded, const EpisodeSource& source,
                                StateStore& store, std::int64_t iteration, std::int64_t tasks) {
  const auto executor = make_executor(recorded.program, store);
  EpisodeFeed(recorded, source, *executor).feed(iteration, 0, tasks);
  executor->run();
  return {executor->fetch(0).at(0), executor->fetch(1).at(0)};
}

}  // namespace metatape
