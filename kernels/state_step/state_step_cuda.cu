#include <cstring>

#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/state_step/state_step.h"

namespace metatape::kernels {
namespace {

constexpr int kThreads = 256;

/// Finite floats have an exponent that is not all ones; isfinite() of a fast-math build would lie.
__device__ bool is_finite(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return (bits & 0x7f800000u) != 0x7f800000u;
}

__global__ void record_step_kernel(RecordStepArgs a) {
  const std::int32_t step = a.counters->steps;
  float* row = a.ring + std::int64_t(step % a.capacity) * a.count;
  for (int k = int(threadIdx.x); k < a.count; k += int(blockDim.x)) row[k] = *a.scalars[k];
  __syncthreads();  // all have read the counter
  if (threadIdx.x != 0) return;
  a.counters->steps = step + 1;
  if (!is_finite(*a.scalars[0])) a.counters->stopped = 1;
}

__global__ void copy_states_kernel(const StateCopy* copies, const StepCounters* counters) {
  if (counters && counters->stopped) return;
  const StateCopy copy = copies[blockIdx.x];
  for (std::int64_t i = threadIdx.x; i < copy.elements; i += blockDim.x) copy.to[i] = copy.from[i];
}

}  // namespace

void record_step(const RecordStepArgs& a, const CudaContext& context) {
  MT_LAUNCH(record_step_kernel, 1, 32, 0, context.stream)(a);
}

void copy_states(const StateCopy* copies, std::int64_t count, const StepCounters* counters,
                 const CudaContext& context) {
  if (count == 0) return;
  MT_LAUNCH(copy_states_kernel, unsigned(count), kThreads, 0, context.stream)(copies, counters);
}

}  // namespace metatape::kernels
