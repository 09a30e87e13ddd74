#include "kernels/common/launch.cuh"
#include "tests/emulation/kernels/cases.h"

namespace metatape::emulation_cases {
namespace {

constexpr int kBug = MT_BUG;
constexpr int kThreads = 32;

/// out = a, four floats at a time; a, out [4 count].
__global__ void vector_copy_kernel(const float4* a, float4* out, int count) {
  const int i = (blockIdx.y * gridDim.x + blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) out[i] = a[i];
}

void launch(const Operands& o) {
  int count = o.columns / 4;
  const float* a = o.a;
  if (kBug == 13) ++a, --count;                  // not at a multiple of 16 bytes
  if (kBug == 21) count = a[0] > 0 ? count : 0;  // the host reads device memory
  const dim3 grid((count + kThreads - 1) / kThreads, kBug == 22 ? 65536 : 1);  // 65535 at most
  MT_LAUNCH(vector_copy_kernel, grid, kThreads, 0, nullptr)
  (reinterpret_cast<const float4*>(a), reinterpret_cast<float4*>(o.out), count);
}

const Registration registration("vector_copy", kBug, launch);

}  // namespace
}  // namespace metatape::emulation_cases
