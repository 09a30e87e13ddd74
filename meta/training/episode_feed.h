#pragma once

#include <map>
#include <string>

#include "engine/exec/executor.h"
#include "meta/programs/programs.h"

namespace metatape {

/// Copies episodes into the inputs of a program, in its precision.
void feed_episodes(Executor&, const EpisodeBatch&);

/// Gives a program its tasks, whichever way it comes by them. Program, source and executor must
/// outlive it.
class EpisodeFeed {
 public:
  /// Feeds what stays from the first run to the last.
  EpisodeFeed(const RecordedProgram&, const EpisodeSource&, Executor&);

  /// Before a run: tasks first_task .. first_task + tasks - 1 of the iteration. A program that
  /// draws knows the iteration itself: from its state in training, always 0 in evaluation.
  void feed(std::int64_t iteration, std::int64_t first_task, std::int64_t tasks);

  /// Only the numbers, where somebody else provides the examples.
  void tell(std::int64_t iteration, std::int64_t first_task);

 private:
  const EpisodeSource& source_;
  Executor& executor_;
  bool draws_;
  EpisodeBatch batch_;
  std::map<std::string, std::int64_t> told_;  ///< numbers that the program knows
};

}  // namespace metatape
