#pragma once

#include <string>

#include "meta/programs/training_programs.h"

namespace metatape {

/// A training run that fits train.max_memory.
struct Fit {
  Config config;  ///< with the outer.chunk, inner.hvp and inner.recompute that were chosen
  TrainingPrograms programs;
  std::string change;  ///< what was chosen and what it costs, for people; empty: nothing changed
};

/// Where train.max_memory is set and the programs need more: of the other forms of Hessian-vector
/// products (where inner.hvp is exact), smaller chunks of tasks and, where these are dear,
/// inner steps computed again, what fits and costs least by its plan. At most 16 programs are
/// recorded for it. Without train.max_memory nothing changes, since what the machine has free
/// changes from day to day and the rounding of sums with it. Errors: memory, if nothing fits, with
/// the least that would.
Fit fit_to_memory(const Config&, const Model&, const EpisodeInput&, const Target&);

/// Errors: memory, if the programs need more than train.max_memory or, where that is not set, than
/// the device has free. The message names settings whose programs were recorded and fit.
void check_fit(const Fit&, const Model&, const EpisodeInput&, const Target&);

}  // namespace metatape
