#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/common/vector.cuh"
#include "kernels/moments/join.h"
#include "kernels/moments/moments.h"
#include "kernels/reduce/cuda_cut.h"

// A block has neighbouring columns in its first dimension, four of them to a thread, and lanes of
// rows in its second. A thread takes its rows one by one (Welford 1962), the lanes are joined in a
// tree. Where that gives too few blocks, rows are cut into segments, which a second launch joins in
// order.

namespace metatape::kernels {

namespace {

/// Threads side by side at most: 64 columns in vectors of four.
constexpr std::int64_t kMostAcross = 16;

/// Cut by extents alone.
struct MomentsCut {
  MomentsCut(std::int64_t tasks, std::int64_t all_rows, std::int64_t all_columns)
      : rows(all_rows), columns(all_columns) {
    across = int(std::min(kMostAcross, CudaCut::ceil_power(ceil_div(columns, kSumWidth))));
    lanes = kSumThreads / across;
    tiles = ceil_div(columns, std::int64_t{kSumWidth} * across);
    const std::int64_t wanted = ceil_div(kSumBlocks, std::max<std::int64_t>(1, tiles * tasks));
    const std::int64_t fitting = ceil_div(rows, lanes * kLeastLoads);
    segment = ceil_div(rows, std::clamp<std::int64_t>(wanted, 1, fitting));
    segments = ceil_div(rows, segment);
  }

  std::int64_t rows, columns, tiles, segment, segments;
  int across, lanes;  ///< threads of a block, where each has four columns
};

/// The moments of some rows, for neighbouring columns. No initial values: shared memory has none.
template <int kWidth>
struct Moments {
  float count;
  Vector<float, kWidth> mean, deviations;

  __device__ void add(const Vector<float, kWidth>& x) {
    count += 1;
    MT_UNROLL
    for (int k = 0; k < kWidth; ++k) {
      const float difference = x[k] - mean[k];
      mean[k] += difference / count;
      deviations[k] += difference * (x[k] - mean[k]);
    }
  }
  __device__ void join(const Moments& other) {
    if (other.count == 0) return;
    MT_UNROLL
    for (int k = 0; k < kWidth; ++k)
      join_moments(count, mean[k], deviations[k], other.count, other.mean[k], other.deviations[k]);
    count += other.count;
  }
};

/// y[tasks, segments, 2, columns]; a block for a tile of columns of a segment of a task.
template <int kWidth>
__global__ void __launch_bounds__(kSumThreads)
    moments_kernel(MomentsCut cut, const float* x, float* y) {
  MT_SHARED(Moments<kWidth>, partial, [kSumThreads]);
  // A tile has the same columns whatever the width: single elements have fewer lanes.
  const int across = cut.across * kSumWidth / kWidth, lanes = kSumThreads / across;
  const int lane = int(threadIdx.x) / across;
  const std::int64_t tile = std::int64_t(blockIdx.x) % cut.tiles;
  const std::int64_t item = std::int64_t(blockIdx.x) / cut.tiles;  // task, segment
  const std::int64_t task = item / cut.segments, segment = item % cut.segments;
  const std::int64_t column = (tile * across + int(threadIdx.x) % across) * kWidth;
  const std::int64_t first = segment * cut.segment;
  const std::int64_t end = first + cut.segment < cut.rows ? first + cut.segment : cut.rows;

  Moments<kWidth> moments{};
  if (column < cut.columns)
    for (std::int64_t row = first + lane; row < end; row += lanes)
      moments.add(load<kWidth>(x + (task * cut.rows + row) * cut.columns + column));
  partial[threadIdx.x] = moments;
  for (int half = kSumThreads / 2; half >= across; half /= 2) {
    __syncthreads();
    if (int(threadIdx.x) >= half) continue;
    moments.join(partial[threadIdx.x + half]);
    partial[threadIdx.x] = moments;
  }
  if (lane > 0 || column >= cut.columns) return;
  store(y + item * 2 * cut.columns + column, moments.mean);
  store(y + (item * 2 + 1) * cut.columns + column, moments.deviations);
}

/// A thread for a column of a task.
__global__ void __launch_bounds__(kSumThreads)
    join_segments_kernel(MomentsCut cut, std::int64_t count, const float* parts, float* y) {
  const std::int64_t i = std::int64_t(blockIdx.x) * kSumThreads + threadIdx.x;
  if (i >= count) return;
  const std::int64_t task = i / cut.columns, column = i % cut.columns;
  const float* part = parts + task * cut.segments * 2 * cut.columns + column;
  Moments<1> moments{};
  for (std::int64_t segment = 0; segment < cut.segments; ++segment, part += 2 * cut.columns) {
    Moments<1> next;
    const std::int64_t rest = cut.rows - segment * cut.segment;
    next.count = float(rest < cut.segment ? rest : cut.segment);
    next.mean[0] = part[0];
    next.deviations[0] = part[cut.columns];
    moments.join(next);
  }
  y[task * 2 * cut.columns + column] = moments.mean[0];
  y[(task * 2 + 1) * cut.columns + column] = moments.deviations[0];
}

}  // namespace

std::int64_t moments_workspace_elements(std::int64_t tasks, std::int64_t rows, std::int64_t columns,
                                        const CudaContext&) {
  const MomentsCut cut(tasks, rows, columns);
  return cut.segments == 1 ? 0 : tasks * cut.segments * 2 * columns;
}

template <class T>
void moments(const MomentsArgs<T>& args, const CudaContext& context) {
  const std::int64_t count = args.tasks * args.columns;
  if (count == 0) return;
  const MomentsCut cut(args.tasks, args.rows, args.columns);
  T* const parts = cut.segments == 1 ? args.y : args.workspace;
  const auto launch = [&](auto width) {
    MT_LAUNCH((moments_kernel<width>), unsigned(args.tasks * cut.segments * cut.tiles), kSumThreads,
              0, context.stream)
    (cut, args.x, parts);
  };
  const bool in_vectors = args.columns % kSumWidth == 0 &&
                          is_aligned(args.x, kSumWidth * sizeof(T)) &&
                          is_aligned(parts, kSumWidth * sizeof(T));
  if (in_vectors)
    launch(std::integral_constant<int, kSumWidth>{});
  else
    launch(std::integral_constant<int, 1>{});
  if (cut.segments == 1) return;
  MT_LAUNCH(join_segments_kernel, unsigned(ceil_div(count, std::int64_t{kSumThreads})), kSumThreads,
            0, context.stream)
  (cut, count, args.workspace, args.y);
}

template void moments(const MomentsArgs<float>&, const CudaContext&);

}  // namespace metatape::kernels
