#include <cmath>

#include "kernels/common/cuda_context.h"
#include "kernels/common/lanes.cuh"
#include "kernels/common/launch.cuh"
#include "kernels/common/strided_index.h"
#include "kernels/label/label.h"

namespace metatape::kernels {

namespace {

constexpr int kThreads = 256;

/// Number of this thread in the grid.
template <class Index>
__device__ Index thread_number() {
  return Index(blockIdx.x) * kThreads + Index(threadIdx.x);
}

unsigned blocks_for(std::int64_t threads) { return unsigned(ceil_div(threads, kThreads)); }

// With the braces of the loop itself inside of a template, nvcc 13.0 writes C++ that does not
// compile.
template <int kOperands>
void append(StridedLoops<kOperands>& loops, std::int64_t extent,
            const Offsets<kOperands>& strides) {
  loops.append({extent, strides});
}

template <int kOperands>
StridedLoops<kOperands> rows_of_tasks(std::int64_t tasks, const Offsets<kOperands>& task_strides,
                                      std::int64_t rows, const Offsets<kOperands>& row_strides) {
  StridedLoops<kOperands> loops;
  append<kOperands>(loops, tasks, task_strides);
  append<kOperands>(loops, rows, row_strides);
  return loops;
}

/// `at`: row of x, label.
template <class T, class Index>
__global__ void __launch_bounds__(kThreads)
    take_label_kernel(StridedIndex<2, Index> at, Index count, std::int64_t columns, const T* x,
                      const std::int32_t* label, T* y) {
  const Index i = thread_number<Index>();
  if (i >= count) return;
  const auto offsets = at(i);
  const std::int32_t column = label[offsets.of[1]];
  y[i] = column >= 0 && column < columns ? x[offsets.of[0] + column] : T(0);
}

/// One thread for each element of x_bar. `at`: y_bar, label, column.
template <class T, class Index>
__global__ void __launch_bounds__(kThreads)
    put_label_kernel(StridedIndex<3, Index> at, Index count, const T* y_bar,
                     const std::int32_t* label, T* x_bar) {
  const Index i = thread_number<Index>();
  if (i >= count) return;
  const auto offsets = at(i);
  x_bar[i] = label[offsets.of[1]] == offsets.of[2] ? y_bar[offsets.of[0]] : T(0);
}

/// `at`: a, b.
template <class T, class Index>
__global__ void __launch_bounds__(kThreads)
    equal_labels_kernel(StridedIndex<2, Index> at, Index count, const std::int32_t* a,
                        const std::int32_t* b, T* y) {
  const Index i = thread_number<Index>();
  if (i >= count) return;
  const auto offsets = at(i);
  y[i] = T(a[offsets.of[0]] == b[offsets.of[1]]);
}

/// A column and its value; NaN wins over nothing.
struct Candidate {
  float value;
  int column;
};

struct FirstLargest {
  __device__ Candidate operator()(const Candidate& x, const Candidate& y) const {
    const bool y_wins = y.value > x.value || (y.value == x.value && y.column < x.column);
    return y_wins ? y : x;
  }
};

__device__ Candidate exchange(const Candidate& x, int distance) {
  return {kernels::exchange(x.value, distance), __shfl_xor_sync(kWholeWarp, x.column, distance)};
}

__global__ void __launch_bounds__(kLaneThreads)
    argmax_kernel(std::int64_t rows, int columns, int lanes, const float* x, std::int32_t* index) {
  const int rows_of_block = kLaneThreads / lanes, lane = int(threadIdx.x) % lanes;
  const std::int64_t row = std::int64_t(blockIdx.x) * rows_of_block + int(threadIdx.x) / lanes;
  const int end = row < rows ? columns : 0;  // spare threads take part in the barriers
  x += row * columns;
  Candidate best{-INFINITY, columns};
  for (int c = lane; c < end; c += lanes) best = FirstLargest()(best, {x[c], c});
  best = combine_lanes(best, lanes, FirstLargest());
  // As in a walk from column 0 on: nothing is larger than a NaN there.
  if (row < rows && lane == 0) index[row] = x[0] == x[0] ? best.column : 0;
}

}  // namespace

template <class T>
void take_label(const TakeLabelArgs<T>& args, const CudaContext& context) {
  const std::int64_t count = args.tasks * args.rows;
  if (count == 0) return;
  const StridedLoops<2> loops = rows_of_tasks<2>(
      args.tasks, {args.x_task_stride, args.label_task_stride}, args.rows, {args.columns, 1});
  with_index(is_narrow(loops), [&](auto index) {
    using Index = decltype(index);
    MT_LAUNCH((take_label_kernel<T, Index>), blocks_for(count), kThreads, 0, context.stream)
    (StridedIndex<2, Index>(loops), Index(count), args.columns, args.x, args.label, args.y);
  });
}

template <class T>
void put_label(const PutLabelArgs<T>& args, const CudaContext& context) {
  const std::int64_t count = args.tasks * args.rows * args.columns;
  if (count == 0) return;
  StridedLoops<3> loops = rows_of_tasks<3>(
      args.tasks, {args.y_task_stride, args.label_task_stride, 0}, args.rows, {1, 1, 0});
  append<3>(loops, args.columns, {0, 0, 1});
  with_index(is_narrow(loops), [&](auto index) {
    using Index = decltype(index);
    MT_LAUNCH((put_label_kernel<T, Index>), blocks_for(count), kThreads, 0, context.stream)
    (StridedIndex<3, Index>(loops), Index(count), args.y_bar, args.label, args.x_bar);
  });
}

template <class T>
void equal_labels(const EqualLabelsArgs<T>& args, const CudaContext& context) {
  const std::int64_t count = args.tasks * args.rows;
  if (count == 0) return;
  const StridedLoops<2> loops =
      rows_of_tasks<2>(args.tasks, {args.a_task_stride, args.b_task_stride}, args.rows, {1, 1});
  with_index(is_narrow(loops), [&](auto index) {
    using Index = decltype(index);
    MT_LAUNCH((equal_labels_kernel<T, Index>), blocks_for(count), kThreads, 0, context.stream)
    (StridedIndex<2, Index>(loops), Index(count), args.a, args.b, args.y);
  });
}

template <class T>
void argmax(std::int64_t rows, std::int64_t columns, const T* x, std::int32_t* index,
            const CudaContext& context) {
  if (rows == 0) return;
  const int lanes = lanes_of_row(columns);
  MT_LAUNCH(argmax_kernel, unsigned(ceil_div(rows, kLaneThreads / lanes)), kLaneThreads, 0,
            context.stream)
  (rows, int(columns), lanes, x, index);
}

template void take_label(const TakeLabelArgs<float>&, const CudaContext&);
template void put_label(const PutLabelArgs<float>&, const CudaContext&);
template void equal_labels(const EqualLabelsArgs<float>&, const CudaContext&);
template void argmax(std::int64_t, std::int64_t, const float*, std::int32_t*, const CudaContext&);

}  // namespace metatape::kernels
