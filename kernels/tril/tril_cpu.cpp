#include "kernels/tril/tril.h"

#include <algorithm>

#include "kernels/common/parallel.h"

namespace metatape::kernels {

template <class T>
void tril(const TrilArgs<T>& args, const CpuContext& context) {
  const std::int64_t n = args.n, rows = args.batch * n;
  parallel_for(rows, rows * n, context, [&](std::int64_t row) {
    const std::int64_t i = row % n;
    const T* x = args.x + row * n;
    T* y = args.y + row * n;
    if (x != y) std::copy_n(x, i, y);
    y[i] = args.diagonal_scale * x[i];
    std::fill(y + i + 1, y + n, T(0));
  });
}

template void tril(const TrilArgs<float>&, const CpuContext&);
template void tril(const TrilArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
