#include "kernels/softmax/softmax.h"

#include <cmath>

#include "kernels/common/parallel.h"

namespace metatape::kernels {

template <class T>
void log_softmax(std::int64_t rows, std::int64_t columns, const T* x, T* y,
                 const CpuContext& context) {
  parallel_for(rows, rows * columns, context, [&](std::int64_t r) {
    const T* in = x + r * columns;
    T* out = y + r * columns;
    T largest = in[0];
    for (std::int64_t c = 1; c < columns; ++c) largest = in[c] > largest ? in[c] : largest;
    // In double, because a float sum of many columns would lose its small terms.
    double sum = 0;
    for (std::int64_t c = 0; c < columns; ++c) sum += std::exp(in[c] - largest);
    const T log_sum = static_cast<T>(std::log(sum));
    for (std::int64_t c = 0; c < columns; ++c) out[c] = (in[c] - largest) - log_sum;
  });
}

template void log_softmax(std::int64_t, std::int64_t, const float*, float*, const CpuContext&);
template void log_softmax(std::int64_t, std::int64_t, const double*, double*, const CpuContext&);

}  // namespace metatape::kernels
