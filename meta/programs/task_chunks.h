#pragma once

#include <vector>

#include "engine/graph.h"
#include "meta/settings/config.h"

namespace metatape {

/// Whether a meta-step can take its tasks in several runs: whether their gradients only add up.
bool can_chunk(const Config&);

/// Tasks in one run of a program on each rank: outer.chunk, or outer.tasks dealt to all ranks.
std::int64_t tasks_at_once(const Config&, int ranks = 1);

/// The settings with the chunks in which the tasks are dealt to several ranks: outer.chunk, if it
/// is not set and tasks can be taken in chunks, becomes outer.tasks / ranks. So a run that goes on
/// with another number of ranks keeps its sums. Errors: usage, if the tasks cannot be dealt evenly.
Config dealt_to_ranks(Config, int ranks);

/// Inputs of programs that the host tells which tasks are next, i32 []: the first of them, and,
/// where a meta-step takes several runs, the meta-step.
inline constexpr const char* kFirstTask = "episodes/first_task";
inline constexpr const char* kIterationInput = "episodes/iteration";

/// A meta-step whose tasks do not all come in one run on one rank: run j of rank r does chunk
/// j ranks + r. What they give adds up in a state, one chunk after the other in the order of the
/// tasks, and the last run takes the outer step. So the bits depend on the size of the chunks and
/// not on the number of ranks; they are those of all tasks at once but for the rounding of sums.
class TaskChunks {
 public:
  /// `done`: the state that counts the meta-steps.
  TaskChunks(Var done, const Config&, int ranks);

  Var iteration() const { return iteration_; }
  /// Means and sums over the tasks of this run become those over the tasks of all runs so far on
  /// all ranks, the means as a share of all tasks: after the last run they are over all. One
  /// exchange; to be called once.
  void add_up(std::vector<Var>& means, std::vector<Var>& sums);

  /// The updates, in the last run alone, in which states keep their values before it, and the sum
  /// in every run.
  std::vector<Update> updates(std::vector<Update> in_last_run) const;

 private:
  int ranks_;
  Var iteration_;
  Var is_first_, is_last_;  ///< of the runs: 1 or 0
  double share_;
  std::vector<Update> sum_;
};

}  // namespace metatape
