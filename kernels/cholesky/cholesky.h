#pragma once

#include <cstdint>

#include "kernels/common/context.h"
#include "kernels/common/matrix_status.h"

namespace metatape::kernels {

/// l l' = (a + a') / 2 with l lower triangular, for each of `batch` dense matrices [n,n].
///
/// l is fully written, zeros above the diagonal, and aliases nothing. Only l's own storage is used
/// as workspace. Cost: n^3 / 3 flop each. Parallel over the batch.
///
/// A pivot that is not above 4 roundings of its element of a stops a try. Then this matrix alone is
/// factored again with cholesky_jitter() times 10^k times the mean of its diagonal added to its
/// diagonal, k = 0, ..., jitter_tries - 1. Elements that are not finite, or a mean that is not
/// positive, allow no further try. `status` [batch] tells how each matrix ended; where none of the
/// tries succeeded, l is NaN. Source of the jitter rule: psd_safe_cholesky of linear_operator, made
/// relative as in GPy's jitchol.
template <class T>
struct CholeskyArgs {
  std::int64_t batch, n;
  int jitter_tries;
  const T* a;
  T* l;
  MatrixStatus* status;
};
template <class T>
void cholesky(const CholeskyArgs<T>&, const CpuContext&);
template <class T>
void cholesky(const CholeskyArgs<T>&, const CudaContext&);

/// First jitter, relative to the mean of the diagonal: about 10 and 10^8 roundings of T.
template <class T>
constexpr double cholesky_jitter() {
  return sizeof(T) == sizeof(float) ? 1e-6 : 1e-8;
}

}  // namespace metatape::kernels
