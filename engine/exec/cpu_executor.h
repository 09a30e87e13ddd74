#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/program.h"
#include "engine/tensor.h"

namespace metatape {

/// Runs a program on the CPU, instruction by instruction, in one arena whose size the plan fixed.
/// It is the definition of correct for every other executor.
///
///   CpuExecutor step(program, store);
///   step.feed("support_x", images);
///   step.run();                     // computes; states are as they were
///   if (std::isfinite(step.fetch(0).at(0))) step.commit();   // states take their new values
///
/// MT_TRACE=1 in the environment prints one line per instruction of each run: number, op, shape,
/// us.
class CpuExecutor {
 public:
  /// `store` gives the states; a missing one is created as zeros. Program and store must outlive
  /// the executor, and states are written in place: the executor keeps their addresses. Errors:
  /// shape, if the store holds a state in another shape or type; memory, if the machine cannot give
  /// the arena.
  CpuExecutor(const Program& program, StateStore& store);
  ~CpuExecutor();
  CpuExecutor(const CpuExecutor&) = delete;
  CpuExecutor& operator=(const CpuExecutor&) = delete;

  /// The input of that name, to be written before a run. Errors: usage, naming the inputs there
  /// are.
  Tensor& input(const std::string& name);
  void feed(const std::string& name, const Tensor& value);
  /// False for an input that the results do not need.
  bool has_input(const std::string& name) const;

  /// Errors: numerical, naming the first instruction that failed for good (see engine/status.h).
  void run();
  /// What the last run changed in order to succeed: a line for each instruction whose matrices
  /// needed jitter.
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// Moves the computed updates into the states of the last run.
  void commit();
  /// Copy of fetched value k of the last run.
  Tensor fetch(std::size_t k) const;

  /// Runs again with the same inputs and states, and names the first instruction whose result is
  /// not finite; empty if all are.
  std::string find_nonfinite();

 private:
  struct Step;
  class Arena;

  const void* address(int node) const;
  Step step_of(int node);
  void execute(const Step&) const;

  const Program& program_;
  StateStore& store_;
  std::map<std::string, Tensor> inputs_;
  std::unique_ptr<Arena> arena_;
  std::vector<Step> steps_;
  std::vector<std::string> warnings_;
  bool trace_ = false;
};

}  // namespace metatape
