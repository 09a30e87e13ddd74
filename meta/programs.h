#pragma once

// Settings turned into programs: training, evaluation, and one step with all its gradients.

#include <memory>

#include "engine/exec/cpu_executor.h"
#include "engine/program.h"
#include "meta/config.h"
#include "meta/data/episode_source.h"
#include "meta/method.h"

namespace metatape {

/// A program together with the tape that it was compiled from.
struct RecordedProgram {
  std::unique_ptr<Tape> tape;
  Program program;
};

/// One meta-step of training. Fetches: mean loss, mean score. Updates: parameters and optimiser.
RecordedProgram record_training(const Config&, const Model&, const EpisodeLayout&, const Target&);

/// Adaptation of `tasks` new tasks. Fetches: loss after 0..test_steps steps, then the scores; T x
/// [].
RecordedProgram record_evaluation(const Config&, const Model&, const EpisodeLayout&,
                                  std::int64_t tasks, const Target&);

/// One meta-step with all its results. Fetches: loss T x [], then per parameter the meta-gradient,
/// then per parameter the task gradients T x [...].
RecordedProgram record_gradients(const Config&, const Model&, const EpisodeLayout&, const Target&);

/// Copies episodes into the inputs of a program, in its precision.
void feed_episodes(CpuExecutor&, const EpisodeBatch&);

DType precision_of(const Config&);
Adaptation adaptation_of(const Config&, std::int64_t steps);
Objective objective_of(TaskKind);

}  // namespace metatape
