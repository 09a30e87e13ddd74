#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

// x is [tasks, rows, columns]; label holds one column per row, [tasks, rows] or, with
// label_task_stride = 0, [rows] shared by all tasks. A label outside [0, columns) reads as 0 and
// writes nothing: the tape checks labels where they enter.

/// y[t,r] = x[t,r,label[t,r]]
template <class T>
struct TakeLabelArgs {
  std::int64_t tasks, rows, columns;
  std::int64_t x_task_stride, label_task_stride;
  const T* x;
  const std::int32_t* label;
  T* y;
};
template <class T>
void take_label(const TakeLabelArgs<T>&, const CpuContext&);
template <class T>
void take_label(const TakeLabelArgs<T>&, const CudaContext&);

/// x_bar[t,r,c] = y_bar[t,r] where c == label[t,r], else 0.   The adjoint of take_label.
template <class T>
struct PutLabelArgs {
  std::int64_t tasks, rows, columns;
  std::int64_t y_task_stride, label_task_stride;
  const T* y_bar;
  const std::int32_t* label;
  T* x_bar;
};
template <class T>
void put_label(const PutLabelArgs<T>&, const CpuContext&);
template <class T>
void put_label(const PutLabelArgs<T>&, const CudaContext&);

/// index[r] = column of the largest x[r,c]; the first wins a tie. Dense [rows, columns].
template <class T>
void argmax(std::int64_t rows, std::int64_t columns, const T* x, std::int32_t* index,
            const CpuContext&);
template <class T>
void argmax(std::int64_t rows, std::int64_t columns, const T* x, std::int32_t* index,
            const CudaContext&);

/// y[t,r] = 1 where a[t,r] == b[t,r], else 0. A task stride of 0 shares an operand.
template <class T>
struct EqualLabelsArgs {
  std::int64_t tasks, rows;
  std::int64_t a_task_stride, b_task_stride;
  const std::int32_t *a, *b;
  T* y;
};
template <class T>
void equal_labels(const EqualLabelsArgs<T>&, const CpuContext&);
template <class T>
void equal_labels(const EqualLabelsArgs<T>&, const CudaContext&);

}  // namespace metatape::kernels
