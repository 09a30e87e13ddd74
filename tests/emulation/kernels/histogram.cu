#include "kernels/common/launch.cuh"
#include "tests/emulation/kernels/cases.h"

namespace metatape::emulation_cases {
namespace {

constexpr int kBug = MT_BUG;
constexpr int kThreads = 64;
constexpr int kBins = 16;

/// out[i] += number of elements of a [columns], in [0, 1), that fall into bin i of 16; out:
/// unsigned.
__global__ void histogram_kernel(const float* a, int columns, unsigned* out) {
  MT_SHARED(unsigned, counts, [kBins]);
  if (threadIdx.x < kBins) counts[threadIdx.x] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < columns; i += gridDim.x * blockDim.x) {
    unsigned& count = counts[int(a[i] * kBins)];
    if (kBug == 12) {
      count += 1;  // two threads of a block may do so at once
    } else {
      atomicAdd(&count, 1u);
    }
  }
  __syncthreads();
  if (threadIdx.x >= kBins) return;
  if (kBug == 7) {
    out[threadIdx.x] += counts[threadIdx.x];  // two blocks may do so at once
  } else {
    atomicAdd(&out[threadIdx.x], counts[threadIdx.x]);
  }
}

void launch(const Operands& o) {
  MT_LAUNCH(histogram_kernel, 3, kThreads, 0, nullptr)
  (o.a, o.columns, reinterpret_cast<unsigned*>(o.out));
}

const Registration registration("histogram", kBug, launch);

}  // namespace
}  // namespace metatape::emulation_cases
