#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/program.h"
#include "engine/tensor.h"

namespace metatape {

/// Runs a program on the device that it was compiled for.
///
///   const auto executor = make_executor(program, store);
///   executor->feed("support_x", images);
///   executor->run();                     // computes; states are as they were
///   if (std::isfinite(executor->fetch(0).at(0))) executor->commit();   // states take new values
///
/// or, without waiting for the device after each run,
///
///   for (int k = 0; k < 64; ++k) executor->step();
///   for (const std::vector<double>& scalars : executor->collect()) ...
class Executor {
 public:
  virtual ~Executor() = default;

  /// The input of that name, to be written now: the next run sends it to the device. Errors: usage,
  /// naming the inputs there are.
  Tensor& input(const std::string& name);
  void feed(const std::string& name, const Tensor& value);
  /// False for an input that the results do not need.
  bool has_input(const std::string& name) const { return inputs_.contains(name); }

  /// Errors: numerical, naming the first instruction that failed for good (see engine/status.h);
  /// device.
  virtual void run() = 0;
  /// Moves the computed updates into the states of the last run.
  virtual void commit() = 0;
  /// Copy of fetched value k of the last run.
  virtual Tensor fetch(std::size_t k) const = 0;

  /// run(), and commit() if the first fetched value is finite; after one that is not, no later step
  /// changes a state. The fetched values, all scalars, wait for collect(). Does not wait for a GPU.
  virtual void step() = 0;
  /// The fetched scalars of each step since the last call, in order. Errors: as run().
  virtual std::vector<std::vector<double>> collect() = 0;
  /// Steps that may be enqueued before collect(); 1 where a step is done when step() returns.
  virtual int steps_ahead() const = 0;

  /// Brings the state store up to date with what was committed. Until then it may be behind on a
  /// device with a memory of its own.
  virtual void read_states() = 0;

  /// Runs again with the same inputs and states, and names the first instruction whose result is
  /// not finite, its scope, and the first task of which it is not, counted from `first_task`; empty
  /// if all are finite. Of several ranks each looks at what it computes by itself: up to the first
  /// exchange.
  virtual std::string find_nonfinite(std::int64_t first_task = 0) = 0;

  /// What the last run changed in order to succeed: a line for each instruction whose matrices
  /// needed jitter.
  const std::vector<std::string>& warnings() const { return warnings_; }

 protected:
  /// Declares the inputs, and the states that the store lacks as zeros. Errors: shape, if the store
  /// holds a state in another shape or type.
  Executor(const Program&, StateStore&);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Whether all ranks must execute the node together, and there are several.
  bool waits_for_others(const Node&) const;

  const Program& program_;
  StateStore& store_;
  std::map<std::string, Tensor> inputs_;
  std::set<std::string> written_;  ///< inputs asked for since the last run
  std::vector<std::string> warnings_;
};

/// An executor for program.target. Program and store must outlive it. Errors: shape, as above;
/// memory, if the device cannot give the arena; device, if it is not there; usage, if the target's
/// communicator has other ranks than the program.
std::unique_ptr<Executor> make_executor(const Program&, StateStore&);

}  // namespace metatape
