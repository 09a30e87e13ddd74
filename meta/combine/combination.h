#pragma once

#include "meta/method/method.h"

namespace metatape {

/// (1/T) sum_i g_i.
std::shared_ptr<const Combination> make_mean();

/// (1/T) sum_i f_i g_i,  f_i = 1 + (1/T) sum_{j != i} w_ij,  w_ij = cos(g_i, g_j) over all
/// parameters and constant: a task counts more the better it agrees with the others. O-AMFS,
/// arXiv:2411.00404. The summary that we have prints g_i <- 1 + (1/T) sum_{j != i} w_ij g_j, a
/// scalar plus a vector, which can be read as
///   A  g_i <- (1 + (1/T) sum_{j != i} w_ij) g_i
///   B  g_i <- g_i + (1/T) sum_{j != i} w_ij g_j
///   C  the loss of task i times the factor of A
/// The factor is constant, so C is A; w_ij = w_ji, so that sum_i sum_{j != i} w_ij g_j =
/// sum_j (sum_{i != j} w_ij) g_j and the mean of B is that of A. All three are this one.
std::shared_ptr<const Combination> make_similarity();

}  // namespace metatape
