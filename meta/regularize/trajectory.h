#pragma once

// Geometry of the way of the inner loop, over the adapted parameters. All norms are Euclidean and
// global, and no smaller than 1e-15, so that standing still has a derivative.

#include "meta/method/method.h"

namespace metatape {

/// sum_k |phi_{k+1} - phi_k|: T x [].
Var path_length(const Trajectory&);

/// path_length / |phi_S - phi_0|: T x [], at least 1, and 1 where the way is straight. LIL (ICLR
/// 2023 submission, openreview 5ZarS9RX5I-), eq. 3.
Var phase_consistency(const Trajectory&);

/// (1/S) sum_{k=1..S} |g_k| / |g_0|: T x []; 1 where the gradient keeps its length. `last` is g_S,
/// which the inner loop does not need. LIL, eq. 4, whose gradient of f is read as that of the
/// support loss: eq. 5 and 8 agree with no other reading.
Var amplitude_consistency(const Trajectory&, const ParamSet& last);

/// |path| / |g_0|, the length of the one step along g_0 that is as long as the way: T x []. A
/// constant. LIL, eq. 8.
Var straight_amplitude(const Trajectory&);

/// phi_0 - amplitude g_0 in the adapted parameters, phi_0 in the others. LIL, eq. 8.
ParamSet straight_step(const Trajectory&, Var amplitude);

}  // namespace metatape
