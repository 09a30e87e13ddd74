#pragma once

#include "kernels/common/host_device.h"

namespace metatape::kernels {

/// Joins the moments of `other_count` values to those of `count`: the mean, and the sum of squared
/// deviations from it.
template <class T>
MT_HOST_DEVICE void join_moments(T count, T& mean, T& deviations, T other_count, T other_mean,
                                 T other_deviations) {
  const T difference = other_mean - mean, share = other_count / (count + other_count);
  mean += difference * share;
  deviations += other_deviations + difference * difference * (count * share);
}

}  // namespace metatape::kernels
