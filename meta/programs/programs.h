#pragma once

// Settings turned into programs: training, evaluation, and one step with all its gradients.

#include <memory>

#include "engine/program.h"
#include "engine/tensor.h"
#include "meta/data/episode_source.h"
#include "meta/method/method.h"
#include "meta/settings/config.h"

namespace metatape {

/// How a program comes by its tasks: fed by the host before each run, or drawn by itself.
struct EpisodeInput {
  EpisodeInput(const EpisodeLayout& fed) : layout(fed) {}
  static EpisodeInput drawn_from(const EpisodeSource&);

  EpisodeLayout layout;
  const EpisodeSource* source = nullptr;  ///< null: fed
};

/// Drawn by the program where data.resident is set, the source can be recorded and the target is a
/// GPU. On the CPU the input would be a second copy of the mapped file.
EpisodeInput episode_input(const Config&, const EpisodeSource&, const Target&);

/// A program together with the tape that it was compiled from.
struct RecordedProgram {
  std::unique_ptr<Tape> tape;
  Program program;
  bool draws_episodes = false;
  std::int64_t inner_steps = 0;  ///< of prediction: taken before it; closed forms take none
  std::int64_t runs = 1;         ///< of training: for a meta-step, on each rank
  /// Of training: names of the scalars fetched after loss and score, then what it means that one
  /// of the counts fetched after those is positive.
  std::vector<std::string> diagnostics = {}, assumptions = {};
};

/// Name of the state i32 [] that counts the meta-steps of training, from 0: the iteration whose
/// tasks come next.
inline constexpr const char* kIterationState = "train/iteration";

/// States of the moving average of theta are called this and the name of the parameter.
inline constexpr const char* kAverageState = "average/";

/// The states of a program's moving average that the store lacks, as copies of theta: where an
/// average begins.
void begin_average(const Program&, StateStore&);

/// One meta-step of training, on target.ranks ranks with an equal share of the tasks. Fetches: mean
/// loss, mean score, the means of the diagnostics, the number of tasks that broke each assumption.
/// The loss is NaN if there is such a task, or if an element of the meta-gradient is not finite.
/// Updates: parameters, optimiser and the iteration.
RecordedProgram record_training(const Config&, const Model&, const EpisodeInput&, const Target&);

/// Adaptation of `tasks` new tasks. Fetches: loss after 0..test_steps steps, then the scores; T x
/// [].
RecordedProgram record_evaluation(const Config&, const Model&, const EpisodeInput&,
                                  std::int64_t tasks, const Target&);

/// Labels for one task whose answers nobody knows. The layout says how many support examples there
/// are and how many to label; query_y is not read. Fetches: probabilities 1 x [queries, outputs]
/// after test_steps steps, then the number of tasks that broke each assumption.
RecordedProgram record_prediction(const Config&, const Model&, const EpisodeLayout&, const Target&);

/// One meta-step with all its results. Fetches: loss T x [], then per parameter the meta-gradient,
/// then per parameter the task gradients T x [...], then the number of tasks that broke each
/// assumption.
RecordedProgram record_gradients(const Config&, const Model&, const EpisodeLayout&, const Target&);

DType precision_of(const Config&);

}  // namespace metatape
