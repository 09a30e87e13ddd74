#include "meta/programs/training_programs.h"

#include <set>

#include "meta/programs/consistency.h"

namespace metatape {

const TrainingPrograms::Stage& TrainingPrograms::stage_at(std::int64_t iteration) const {
  for (const Stage& stage : stages)
    if (iteration < stage.until) return stage;
  return stages.back();
}

Config settings_at(const Config& config, std::int64_t iteration) {
  Config now = config;
  if (iteration < config.inner.exact_from) {
    now.inner.order = "first";
    now.inner.recompute = false;
    if (now.inner.hvp == "forward") now.inner.hvp = "exact";
  }
  if (iteration < config.outer.unlabelled_until) {
    now.outer.query_loss = "unlabelled";
    now.regularize = Config::Regularize{};
    std::erase_if(now.of_parts,
                  [](const auto& own) { return own.first.starts_with("regularize."); });
  }
  return now;
}

TrainingPrograms record_training_programs(const Config& config, const Model& model,
                                          const EpisodeInput& input, const Target& target) {
  TrainingPrograms programs;
  std::set<std::int64_t> ends{config.train.iterations};
  for (const std::int64_t change : {config.inner.exact_from, config.outer.unlabelled_until})
    if (0 < change && change < config.train.iterations) ends.insert(change);
  std::int64_t begin = 0;
  for (const std::int64_t end : ends) {
    programs.stages.push_back(
        {record_training(settings_at(config, begin), model, input, target), end});
    begin = end;
  }
  if (config.regularize.log)
    programs.consistency = record_consistency(config, model, input.layout, target);
  return programs;
}

MemoryNeed memory_need(const TrainingPrograms& programs) {
  MemoryNeed largest;
  for (const TrainingPrograms::Stage& stage : programs.stages) {
    const MemoryNeed need = memory_need(stage.step.program);
    if (need.total_bytes() > largest.total_bytes()) largest = need;
  }
  if (programs.consistency) largest.beside_bytes = programs.consistency->program.plan.arena_bytes;
  return largest;
}

}  // namespace metatape
