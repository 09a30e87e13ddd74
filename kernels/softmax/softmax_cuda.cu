#include <cmath>

#include "kernels/common/cuda_context.h"
#include "kernels/common/lanes.cuh"
#include "kernels/common/launch.cuh"
#include "kernels/common/strided_index.h"
#include "kernels/softmax/softmax.h"

// One to 32 lanes for a row of up to 1024 columns, a block for a longer one. The row is read three
// times, from the L1 cache but for the first. A lane writes only columns that no other reads, so y
// may be x. The sum is in float: its longest chain, columns / 256 terms above 1024, stays within
// 4 eps sqrt(columns) up to four million columns.

namespace metatape::kernels {

namespace {

struct Largest {
  __device__ float operator()(float x, float y) const { return y > x ? y : x; }
};

__global__ void __launch_bounds__(kLaneThreads)
    log_softmax_kernel(std::int64_t rows, std::int64_t columns, int lanes, const float* x,
                       float* y) {
  const int rows_of_block = kLaneThreads / lanes, lane = int(threadIdx.x) % lanes;
  const std::int64_t row = std::int64_t(blockIdx.x) * rows_of_block + int(threadIdx.x) / lanes;
  const std::int64_t end = row < rows ? columns : 0;  // spare threads take part in the barriers
  x += row * columns;
  y += row * columns;
  float largest = -INFINITY;
  for (std::int64_t c = lane; c < end; c += lanes) largest = Largest()(largest, x[c]);
  largest = combine_lanes(largest, lanes, Largest());
  float sum = 0;
  for (std::int64_t c = lane; c < end; c += lanes) sum += expf(x[c] - largest);
  const float log_sum = logf(combine_lanes(sum, lanes, Add()));
  for (std::int64_t c = lane; c < end; c += lanes) y[c] = (x[c] - largest) - log_sum;
}

}  // namespace

template <class T>
void log_softmax(std::int64_t rows, std::int64_t columns, const T* x, T* y,
                 const CudaContext& context) {
  if (rows == 0) return;
  const int lanes = lanes_of_row(columns);
  MT_LAUNCH(log_softmax_kernel, unsigned(ceil_div(rows, kLaneThreads / lanes)), kLaneThreads, 0,
            context.stream)
  (rows, columns, lanes, x, y);
}

template void log_softmax(std::int64_t, std::int64_t, const float*, float*, const CudaContext&);

}  // namespace metatape::kernels
