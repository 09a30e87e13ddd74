#pragma once

#include <vector>

#include "engine/exec/cuda_memory.h"
#include "engine/exec/step.h"
#include "kernels/common/cuda_context.h"
#include "kernels/state_step/state_step.h"

namespace metatape {

/// How a step ends on a GPU without the host: the fetched scalars go into a ring, and the states
/// take their new values (kernels/state_step).
class StepEnd {
 public:
  /// `capacity`: steps that the ring holds.
  StepEnd(const Program&, const Placement&, int capacity);

  /// The states take their new values, whatever the scalars are.
  void enqueue_commit(const kernels::CudaContext&) const;
  /// The scalars go into the ring; the states take their new values unless a first scalar was not
  /// finite. Errors: usage, unless all fetched values are f32 scalars.
  void enqueue_step(const kernels::CudaContext&) const;

  /// The rows of the last `steps` steps, oldest first; steps <= capacity. The device must be done.
  std::vector<std::vector<double>> read(int steps) const;

 private:
  void require_scalars() const;

  const Program& program_;
  std::int32_t capacity_;
  DeviceBuffer staging_;          ///< of updates that are themselves states
  DeviceBuffer stages_, copies_;  ///< tables of StateCopy
  DeviceBuffer scalars_, ring_, counters_;
};

}  // namespace metatape
