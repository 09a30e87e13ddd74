#include <cmath>

#include "kernels/common/launch.cuh"
#include "tests/emulation/kernels/cases.h"

namespace metatape::emulation_cases {
namespace {

constexpr int kBug = MT_BUG;
constexpr int kThreads = 64;

struct Sum {
  __device__ float operator()(float x, float y) const { return x + y; }
};
struct Maximum {
  __device__ float operator()(float x, float y) const { return fmaxf(x, y); }
};

/// In all threads: x of all threads combined in a fixed order.
template <class Combine>
__device__ float block_reduce(float x, Combine combine) {
  MT_SHARED(float, partial, [kBug == 23 ? 16 * 1024 : kThreads]);  // 64 KiB are too many
  const int thread = threadIdx.x;
  partial[thread] = x;
  __syncthreads();
  if (thread < 32) {
    partial[thread] = combine(partial[thread], partial[thread + 32]);
    for (int half = 16; half > 0; half /= 2) {
      // Without __syncwarp a lane may read what another has not written yet; a shuffle does not
      // order memory.
      if (kBug != 20 && kBug != 24) __syncwarp();
      if (kBug == 24) __shfl_sync(0xffffffff, thread, 0);
      if (thread < half) partial[thread] = combine(partial[thread], partial[thread + half]);
    }
  }
  __syncthreads();
  x = partial[0];
  __syncthreads();
  return x;
}

/// out[r, c] = exp(a[r, c]) / sum_c exp(a[r, c]); a, out [rows, columns]. One block per row.
__global__ void softmax_kernel(const float* a, float* out, int columns) {
  MT_DYNAMIC_SHARED(float, row);  // [columns]
  a += blockIdx.x * columns;
  out += blockIdx.x * columns;
  float largest = -INFINITY;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) largest = fmaxf(largest, a[c]);
  largest = block_reduce(largest, Maximum());
  float sum = 0;
  for (int c = threadIdx.x; c < columns; c += blockDim.x) {
    const int slot = kBug == 3 ? c + 1 : c;  // writes past the end
    row[slot] = expf(a[c] - largest);
    sum += row[slot];
  }
  sum = block_reduce(sum, Sum());
  for (int c = threadIdx.x; c < columns; c += blockDim.x) out[c] = row[c] / sum;
}

void launch(const Operands& o) {
  const float on_host[1] = {};
  const float* a = kBug == 19 ? on_host : o.a;
  std::size_t shared_bytes = o.columns * sizeof(float);
  if (kBug == 18) shared_bytes = 64 * 1024;  // more than 48 KiB without leave
  MT_LAUNCH(softmax_kernel, o.rows, kThreads, shared_bytes, nullptr)(a, o.out, o.columns);
}

const Registration registration("softmax", kBug, launch);

}  // namespace
}  // namespace metatape::emulation_cases
