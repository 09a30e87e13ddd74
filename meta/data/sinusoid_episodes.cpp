#include "meta/data/sinusoid_episodes.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <numbers>

#include "engine/error.h"

namespace metatape {

namespace {

constexpr double kLeastAmplitude = 0.1, kLargestAmplitude = 5;
constexpr double kLargestX = 5;
constexpr std::int64_t kMostPoints = 1'000'000;

void append_curve(const SinusoidTask& task, const std::vector<float>& x, std::vector<float>& xs,
                  std::vector<float>& targets) {
  xs.insert(xs.end(), x.begin(), x.end());
  for (float at : x) targets.push_back(float(task.amplitude * std::sin(double(at) - task.phase)));
}

}  // namespace

SinusoidEpisodes::SinusoidEpisodes(SinusoidEpisodesOptions options) : options_(options) {
  for (std::int64_t points : {options_.shots, options_.queries})
    if (points < 1 || points > kMostPoints)
      fail(ErrorKind::usage, "episodes", "{} shots and {} queries found, expected 1..{} of each",
           options_.shots, options_.queries, kMostPoints);
  layout_ = {.kind = TaskKind::regression,
             .ways = 1,
             .support_x = {options_.shots, 1},
             .query_x = {options_.queries, 1}};
  name_ = fmt::format("sinusoid: {} shots, {} queries", options_.shots, options_.queries);
}

SinusoidTask SinusoidEpisodes::choose(std::uint32_t iteration, std::uint32_t task) const {
  kernels::RandomStream random(options_.seed, options_.purpose, iteration, task);
  SinusoidTask chosen;
  chosen.amplitude = kLeastAmplitude + (kLargestAmplitude - kLeastAmplitude) * random.uniform();
  chosen.phase = std::numbers::pi * random.uniform();
  for (auto [points, x] :
       {std::pair{options_.shots, &chosen.support_x}, std::pair{options_.queries, &chosen.query_x}})
    for (std::int64_t i = 0; i < points; ++i)
      x->push_back(float(kLargestX * (2 * random.uniform() - 1)));
  return chosen;
}

void SinusoidEpisodes::draw(std::uint32_t iteration, std::uint32_t first_task, std::uint32_t tasks,
                            EpisodeBatch& batch) const {
  batch = {};
  batch.tasks = tasks;
  for (std::uint32_t t = 0; t < tasks; ++t) {
    const SinusoidTask task = choose(iteration, first_task + t);
    append_curve(task, task.support_x, batch.support_x, batch.support_target);
    append_curve(task, task.query_x, batch.query_x, batch.query_target);
  }
}

std::vector<std::uint32_t> SinusoidEpisodes::provenance(std::uint32_t iteration,
                                                        std::uint32_t task) const {
  const SinusoidTask chosen = choose(iteration, task);
  std::vector<float> values = {float(chosen.amplitude), float(chosen.phase)};
  values.insert(values.end(), chosen.support_x.begin(), chosen.support_x.end());
  values.insert(values.end(), chosen.query_x.begin(), chosen.query_x.end());
  std::vector<std::uint32_t> words;
  for (float value : values) words.push_back(std::bit_cast<std::uint32_t>(value));
  return words;
}

}  // namespace metatape
