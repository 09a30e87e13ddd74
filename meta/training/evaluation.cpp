#include "meta/training/evaluation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <span>

#include "meta/programs/memory.h"
#include "meta/programs/programs.h"
#include "meta/programs/task_chunks.h"
#include "meta/training/episode_feed.h"

namespace metatape {

Interval interval95(const std::vector<double>& values) {
  const double n = double(values.size());
  double sum = 0, squares = 0;
  for (double v : values) sum += v;
  const double mean = sum / n;
  for (double v : values) squares += (v - mean) * (v - mean);
  return {mean, values.size() < 2 ? 0 : 1.96 * std::sqrt(squares / (n - 1) / n)};
}

namespace {

/// Refuses a chunk of tasks while its values are still there to name the first culprit.
void check_finite(Executor& executor, std::span<const double> losses, std::int64_t first_task) {
  for (std::size_t t = 0; t < losses.size(); ++t)
    if (!std::isfinite(losses[t]))
      fail(ErrorKind::numerical, "eval",
           "the loss of task {} after adaptation is {}; first not finite: {}; try a smaller "
           "inner.lr",
           first_task + std::int64_t(t), losses[t], executor.find_nonfinite(first_task));
}

}  // namespace

Evaluation evaluate(const Config& config, const Model& model, const EpisodeSource& source,
                    StateStore& store, std::int64_t tasks, const Target& target,
                    const Ranks& ranks) {
  const std::int64_t at_once = std::min(tasks_at_once(config), tasks);
  const RecordedProgram recorded =
      record_evaluation(config, model, episode_input(config, source, target), at_once, target);
  check_memory(memory_need(recorded.program), config);
  const auto executor = make_executor(recorded.program, store);
  EpisodeFeed episodes(recorded, source, *executor);

  // One point per step of the adaptation and one before: closed forms have no steps.
  const std::size_t points = recorded.program.graph.fetches.size() / 2;
  const auto place = [&](std::size_t k, std::int64_t task) {
    return k * std::size_t(tasks) + std::size_t(task);
  };
  std::vector<double> own(2 * points * std::size_t(tasks));  // losses by step, scores by step
  for (std::int64_t first = ranks.rank() * at_once; first < tasks;
       first += ranks.size() * at_once) {
    // The last chunk runs whole and its surplus is dropped: tasks do not see each other.
    episodes.feed(0, first, at_once);
    executor->run();
    const std::int64_t count = std::min(at_once, tasks - first);
    for (std::size_t k = 0; k < 2 * points; ++k) {
      const Tensor fetched = executor->fetch(k);
      for (std::int64_t t = 0; t < count; ++t) own[place(k, first + t)] = fetched.at(t);
    }
    check_finite(*executor, std::span(own).subspan(place(points - 1, first), std::size_t(count)),
                 first);
  }

  const std::vector<std::vector<double>> of_rank = ranks.numbers(own);
  std::vector<std::vector<double>> values(2 * points);
  for (std::size_t k = 0; k < values.size(); ++k)
    for (std::int64_t t = 0; t < tasks; ++t)
      values[k].push_back(of_rank[std::size_t(t / at_once % ranks.size())][place(k, t)]);

  Evaluation result{.kind = source.layout().kind, .tasks = tasks};
  result.loss = interval95(values[points - 1]);
  result.score = interval95(values[2 * points - 1]);
  for (std::size_t k = 0; k < points; ++k) {
    result.loss_by_step.push_back(interval95(values[k]).mean);
    result.score_by_step.push_back(interval95(values[points + k]).mean);
  }
  result.episodes_hash = episodes_digest(source, std::uint32_t(tasks));
  return result;
}

nlohmann::json to_json(const Evaluation& e, const Config& config, const std::string& split) {
  nlohmann::json j{{"tasks", e.tasks},
                   {"shots", config.eval.shots ? config.eval.shots : config.task.shots},
                   {"queries", config.eval.queries ? config.eval.queries : config.task.queries},
                   {"split", split},
                   {"inner_steps", std::int64_t(e.loss_by_step.size()) - 1},
                   {"precision", config.train.precision},
                   {"loss", e.loss.mean},
                   {"loss_ci95", e.loss.ci95},
                   {"loss_by_step", e.loss_by_step},
                   {"episodes_hash", e.episodes_hash}};
  if (e.kind == TaskKind::classification) {
    j["ways"] = config.task.ways;
    j["accuracy"] = 100 * e.score.mean;
    j["ci95"] = 100 * e.score.ci95;
    j["protocol"] = config.eval.protocol;
    for (double s : e.score_by_step) j["accuracy_by_step"].push_back(100 * s);
  } else {
    j["protocol"] = "regression";
  }
  return j;
}

}  // namespace metatape
