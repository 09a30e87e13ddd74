#include "meta/training_programs.h"

#include <algorithm>

#include "meta/consistency.h"

namespace metatape {

const TrainingPrograms::Stage& TrainingPrograms::stage_at(std::int64_t iteration) const {
  for (const Stage& stage : stages)
    if (iteration < stage.until) return stage;
  return stages.back();
}

TrainingPrograms record_training_programs(const Config& config, const Model& model,
                                          const EpisodeInput& input, const Target& target) {
  const std::int64_t last = config.train.iterations;
  const std::int64_t exact_from = std::min(config.inner.exact_from, last);
  TrainingPrograms programs;
  if (exact_from > 0) {
    Config first_order = config;
    first_order.inner.order = "first";
    first_order.inner.recompute = false;
    programs.stages.push_back({record_training(first_order, model, input, target), exact_from});
  }
  if (exact_from < last || last == 0)
    programs.stages.push_back({record_training(config, model, input, target), last});
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
