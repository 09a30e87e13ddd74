#pragma once

// What all recordings of programs begin and end with.

#include "meta/programs/programs.h"

namespace metatape {

/// A tape with the parameters and, as soon as they are known, the tasks.
struct Recording {
  std::unique_ptr<Tape> tape;
  ParamSet theta;
  EpisodeVars episodes = {};
};
Recording begin_recording(const Config&, const Model&);

/// Declares the four inputs of a batch of tasks that the host feeds.
EpisodeVars declare_episodes(Tape&, const EpisodeLayout&, std::int64_t tasks, DType);

/// The iteration that evaluation sees, which comes after training: schedules stand at their end.
Var trained_iterations(Tape&, const Config&);

RecordedProgram end_recording(Recording, const EpisodeInput&, const CompileOptions&);

}  // namespace metatape
