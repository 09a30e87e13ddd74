#pragma once

// The rules of cholesky.h that the CPU and the GPU share: which pivots are taken, and what follows
// when one is not.

#include <limits>

#include "kernels/cholesky/cholesky.h"
#include "kernels/common/host_device.h"

namespace metatape::kernels {

/// Where a try stopped: 1 + column and the pivot found there; column 0: nowhere.
struct CholeskyStop {
  std::int32_t column;
  double pivot;
};

/// Rounding leaves a pivot of up to some units of its element's last place where the exact one is
/// zero. Taken as it is, it would pass a singular matrix for a regular one, by chance.
template <class T>
inline constexpr T kPivotRounding = 4 * std::numeric_limits<T>::epsilon();

/// `given` is the pivot's element as it was given, before anything was subtracted from it or added.
template <class T>
MT_HOST_DEVICE bool is_positive_pivot(T pivot, T given) {
  return pivot > kPivotRounding<T> * given;
}

// Constants rather than calls: device code cannot call the functions that give them.
template <class T>
inline constexpr double kFirstJitter = cholesky_jitter<T>();
inline constexpr double kPivotNotFinite = std::numeric_limits<double>::quiet_NaN();

template <class T>
MT_HOST_DEVICE double mean_of_diagonal(const T* a, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += double(a[i * n + i]);
  return sum / double(n);
}

/// Factors one matrix: once as it is, then with a growing jitter on its diagonal. On a GPU all
/// threads that share the matrix call it and get the same.
/// factor(jitter) is one try and returns its CholeskyStop; all_finite() looks at the elements of a.
template <class T, class Factor, class AllFinite>
MT_HOST_DEVICE MatrixStatus factor_with_jitter(const T* a, std::int64_t n, int tries,
                                               const Factor& factor, const AllFinite& all_finite) {
  CholeskyStop stop = factor(T(0));
  if (!stop.column) return {};

  MatrixStatus status{.first_column = stop.column, .pivot = stop.pivot};
  const double mean = mean_of_diagonal(a, n);
  if (!all_finite()) {
    status.pivot = kPivotNotFinite;
    tries = 0;
  }
  double jitter = kFirstJitter<T> * mean;
  for (; mean > 0 && stop.column && status.jitter_tries < tries; jitter *= 10) {
    ++status.jitter_tries;
    status.jitter = double(T(jitter));
    stop = factor(T(jitter));
  }
  status.failed_column = stop.column;
  return status;
}

}  // namespace metatape::kernels
