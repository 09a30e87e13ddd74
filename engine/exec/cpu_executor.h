#pragma once

#include <memory>

#include "engine/exec/executor.h"
#include "engine/exec/step.h"

namespace metatape {

/// Runs a program on the CPU, instruction by instruction, in one arena whose size the plan fixed.
/// It is the definition of correct for every other executor.
///
/// MT_TRACE=1 in the environment prints one line per instruction of each run: number, op, shape,
/// us.
class CpuExecutor : public Executor {
 public:
  /// States are written in place: the executor keeps their addresses in the store. Errors: shape,
  /// if the store holds a state in another shape or type; memory, if the machine cannot give the
  /// arena.
  CpuExecutor(const Program&, StateStore&);
  ~CpuExecutor() override;

  void run() override;
  void commit() override;
  Tensor fetch(std::size_t k) const override;
  void step() override;
  std::vector<std::vector<double>> collect() override;
  int steps_ahead() const override { return 1; }
  void read_states() override {}
  std::string find_nonfinite(std::int64_t first_task = 0) override;

 private:
  class Arena;

  void execute(const Step&) const;

  std::unique_ptr<Arena> arena_;
  Placement placement_;
  std::vector<Step> steps_;
  std::vector<std::vector<double>> collected_;
  bool stopped_ = false;  ///< a step was not finite
  bool trace_ = false;
};

}  // namespace metatape
