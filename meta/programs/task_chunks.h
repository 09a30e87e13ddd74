#pragma once

#include <vector>

#include "engine/graph.h"
#include "engine/params.h"
#include "meta/settings/config.h"

namespace metatape {

/// Tasks in one run of a program: outer.chunk, or all of outer.tasks.
std::int64_t tasks_at_once(const Config&);

/// Inputs of programs that the host tells which tasks are next, i32 []: the first of them, and in
/// chunked training the meta-step.
inline constexpr const char* kFirstTask = "episodes/first_task";
inline constexpr const char* kIterationInput = "episodes/iteration";

/// A meta-step whose tasks do not fit at once: one run of the program for each chunk of them. Their
/// gradients add up in states, and the last run takes the outer step. The result is that of all
/// tasks at once, but for the rounding of sums.
class TaskChunks {
 public:
  TaskChunks(Tape&, const Config&);

  Var iteration() const { return iteration_; }
  Var first_task() const { return first_task_; }

  /// The mean over the tasks of this and all earlier runs of the meta-step times their share of all
  /// tasks: in the last run the mean over all.
  ParamSet accumulated(const ParamSet& mean_of_chunk);

  /// The updates, in the last run alone; before it states keep their values.
  std::vector<Update> in_last_run(std::vector<Update>) const;

  /// What every run updates.
  const std::vector<Update>& sums() const { return sums_; }

 private:
  Tape& tape_;
  Var iteration_, first_task_;
  Var is_first_, is_last_;  ///< 1 or 0
  double share_;
  std::vector<Update> sums_;
};

}  // namespace metatape
