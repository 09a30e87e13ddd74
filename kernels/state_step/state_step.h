#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

// How a step of a replayed program ends without the host: its scalars go into a ring, and the
// states take their new values unless the first scalar of this or of an earlier step was not
// finite. CUDA only; on the CPU the executor does it in place.

/// Device memory, zero at the start.
struct StepCounters {
  std::int32_t steps = 0;    ///< steps recorded
  std::int32_t stopped = 0;  ///< 1 after a first scalar that was not finite
};

/// ring[(steps % capacity), k] = *scalars[k], k < count; then steps += 1, and stopped = 1 if
/// *scalars[0] is not finite. All pointers are of the device. One block.
struct RecordStepArgs {
  const float* const* scalars;  ///< [count]
  std::int32_t count, capacity;
  float* ring;  ///< [capacity, count]
  StepCounters* counters;
};
void record_step(const RecordStepArgs&, const CudaContext&);

/// Part of a state and the part of the value that it takes: 4-byte elements.
struct StateCopy {
  const std::uint32_t* from;
  std::uint32_t* to;
  std::int64_t elements;
};
/// One block copies at most this many elements: a state is cut into such parts.
inline constexpr std::int64_t kStateCopyElements = 8192;

/// to[i] = from[i] for all elements of all `count` parts, unless counters->stopped. `copies` is
/// device memory; no part is written that another one reads. counters null: always.
void copy_states(const StateCopy* copies, std::int64_t count, const StepCounters* counters,
                 const CudaContext&);

}  // namespace metatape::kernels
