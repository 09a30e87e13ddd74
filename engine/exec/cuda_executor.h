#pragma once

#include <memory>

#include "engine/exec/cuda_memory.h"
#include "engine/exec/executor.h"
#include "engine/exec/step.h"
#include "engine/exec/step_end.h"
#include "kernels/common/cuda_context.h"

namespace metatape {

/// Runs a program on a GPU, in one arena of device memory. The first run goes instruction by
/// instruction and waits for each, so that a faulty kernel is named with its op, instruction and
/// source line; then the program is captured into one CUDA graph and launched as a whole. Inputs
/// travel when they were written; states stay on the device.
///
/// In the environment: MT_SYNC=1 never captures and waits for each instruction; MT_TRACE=1 prints
/// one line per instruction too: number, op, shape, us with the wait.
class CudaExecutor : public Executor {
 public:
  /// Errors: device, if there is no GPU; memory, if it cannot give the arena; shape, if the store
  /// holds a state in another shape or type.
  CudaExecutor(const Program&, StateStore&);
  ~CudaExecutor() override;

  void run() override;
  void commit() override;
  Tensor fetch(std::size_t k) const override;
  void step() override;
  std::vector<std::vector<double>> collect() override;
  int steps_ahead() const override { return kStepsAhead; }
  void read_states() override;
  std::string find_nonfinite(std::int64_t first_task = 0) override;

  /// Nodes of the graph that a step launches; 0 before it is captured.
  std::size_t graph_nodes() const { return step_graph_.nodes(); }

 private:
  /// Some tenths of a second of steps: long enough that the wait for the host does not show.
  static constexpr int kStepsAhead = 64;

  std::map<std::string, DeviceBuffer> allocate_slots();
  void write_states();
  void send_inputs();
  void enqueue(const Step&) const;
  void enqueue_program() const;
  void check_libraries() const;
  /// Waits for the stream. What waits for a rank that is lost never ends, so where there are
  /// others, asks for that meanwhile. Errors: device, if one is lost.
  cudaError_t synchronise() const;
  void wait(const std::string& doing) const { check_cuda(synchronise(), doing); }
  void run_one_by_one() const;
  void read_statuses();
  Tensor read(int node) const;

  std::map<std::string, DeviceBuffer> slots_;
  DeviceBuffer arena_;
  Placement placement_;
  std::vector<Step> steps_;
  CudaStream stream_;
  DeviceBuffer blas_workspace_;
  std::unique_ptr<kernels::CudaBlas> blas_;
  kernels::CudaContext context_;

  StepEnd end_;
  int uncollected_ = 0;  ///< steps in the ring that collect() has not returned

  CudaGraph run_graph_, step_graph_;
  /// One run, one step went instruction by instruction: their kernels are loaded, which must not
  /// happen during a capture.
  bool warm_ = false, stepped_ = false;
  bool one_by_one_ = false, trace_ = false;
};

}  // namespace metatape
