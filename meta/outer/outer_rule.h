#pragma once

#include "engine/params.h"

namespace metatape {

/// Bounds of the meta-gradient between combination and optimiser; 0: none.
struct ClipOptions {
  double element = 0;  ///< largest magnitude of an element
  double norm = 0;     ///< largest Euclidean norm over all parameters
};

/// g <- min(max(g, -element), element), then g <- min(1, norm / |g|) g. The first is that of the
/// released MAML code (10 on sums over queries); the second is the clipped step
/// theta <- theta - min(lr, c / |g|) g of Zhang et al. 2020, arXiv:1905.11881, eq. 5, at
/// c = lr norm.
ParamSet clipped(const ParamSet& gradient, const ClipOptions&);

}  // namespace metatape
