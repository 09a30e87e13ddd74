#pragma once

// All the programs of a training run.

#include <optional>
#include <vector>

#include "meta/programs/memory.h"
#include "meta/programs/programs.h"

namespace metatape {

struct TrainingPrograms {
  TrainingPrograms() = default;
  /// One program, and nothing beside it.
  TrainingPrograms(RecordedProgram step, std::int64_t until) {
    stages.push_back({std::move(step), until});
  }

  /// What runs from one meta-step to another. inner.exact_from lets the order of derivatives change
  /// (Antoniou et al. 2019, arXiv:1810.09502, sec. 4), outer.unlabelled_until the loss.
  struct Stage {
    RecordedProgram step;
    std::int64_t until;  ///< meta-steps done when it ends
  };
  std::vector<Stage> stages;
  /// Phase and amplitude consistency, for each line of metrics. Absent without inner steps.
  std::optional<RecordedProgram> consistency = {};

  const Stage& stage_at(std::int64_t iteration) const;
};

/// The settings in force at a meta-step.
Config settings_at(const Config&, std::int64_t iteration);

TrainingPrograms record_training_programs(const Config&, const Model&, const EpisodeInput&,
                                          const Target&);

/// Of the largest stage, with room for what runs beside it.
MemoryNeed memory_need(const TrainingPrograms&);

}  // namespace metatape
