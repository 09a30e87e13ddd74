#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/label/label.h"

namespace metatape::kernels {

template <class T>
void take_label(const TakeLabelArgs<T>& args, const CpuContext& context) {
  const std::int64_t count = args.tasks * args.rows;
  parallel_for(count, count, context, [&](std::int64_t i) {
    const std::int64_t t = i / args.rows, r = i % args.rows;
    const std::int32_t label = args.label[t * args.label_task_stride + r];
    const bool inside = label >= 0 && label < args.columns;
    args.y[i] = inside ? args.x[t * args.x_task_stride + r * args.columns + label] : T(0);
  });
}

template <class T>
void put_label(const PutLabelArgs<T>& args, const CpuContext& context) {
  const std::int64_t count = args.tasks * args.rows;
  parallel_for(count, count * args.columns, context, [&](std::int64_t i) {
    const std::int64_t t = i / args.rows, r = i % args.rows;
    const std::int32_t label = args.label[t * args.label_task_stride + r];
    T* row = args.x_bar + i * args.columns;
    std::fill_n(row, args.columns, T(0));
    if (label >= 0 && label < args.columns) row[label] = args.y_bar[t * args.y_task_stride + r];
  });
}

template <class T>
void argmax(std::int64_t rows, std::int64_t columns, const T* x, std::int32_t* index,
            const CpuContext& context) {
  parallel_for(rows, rows * columns, context, [&](std::int64_t r) {
    const T* row = x + r * columns;
    std::int64_t best = 0;
    for (std::int64_t c = 1; c < columns; ++c) best = row[c] > row[best] ? c : best;
    index[r] = static_cast<std::int32_t>(best);
  });
}

template <class T>
void equal_labels(const EqualLabelsArgs<T>& args, const CpuContext& context) {
  const std::int64_t count = args.tasks * args.rows;
  parallel_for(count, count, context, [&](std::int64_t i) {
    const std::int64_t t = i / args.rows, r = i % args.rows;
    args.y[i] = T(args.a[t * args.a_task_stride + r] == args.b[t * args.b_task_stride + r]);
  });
}

#define MT_INSTANTIATE(T)                                                   \
  template void take_label(const TakeLabelArgs<T>&, const CpuContext&);     \
  template void put_label(const PutLabelArgs<T>&, const CpuContext&);       \
  template void equal_labels(const EqualLabelsArgs<T>&, const CpuContext&); \
  template void argmax(std::int64_t, std::int64_t, const T*, std::int32_t*, const CpuContext&);
MT_INSTANTIATE(float)
MT_INSTANTIATE(double)
#undef MT_INSTANTIATE

}  // namespace metatape::kernels
