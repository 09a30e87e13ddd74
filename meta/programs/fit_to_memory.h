#pragma once

#include <string>

#include "meta/programs/training_programs.h"

namespace metatape {

/// A training run that fits train.max_memory.
struct Fit {
  Config config;  ///< with the outer.chunk and inner.recompute that were chosen
  TrainingPrograms programs;
  std::string change;  ///< what was chosen and what it costs, for people; empty: nothing changed
};

/// Where train.max_memory is set and the programs need more: the largest chunk of tasks that fits,
/// which costs nothing but size of the batches; then the same with inner steps computed again,
/// which costs FLOPs. Without train.max_memory nothing changes, since what the machine has free
/// changes from day to day and the rounding of sums with it. Errors: memory, if nothing fits.
Fit fit_to_memory(const Config&, const Model&, const EpisodeInput&, const Target&);

}  // namespace metatape
