#pragma once

#include "meta/method/method.h"

namespace metatape {

/// theta - phi_S: what the outer loop subtracts is a share of the way back. Reptile, Nichol et al.
/// 2018, arXiv:1803.02999, algorithm 2: theta <- theta + lr mean_i (phi_S,i - theta). The query
/// loss and regularizers have no part in it. Errors of the recording: usage, for adaptations
/// without inner steps.
std::shared_ptr<const MetaGradient> make_displacement();

}  // namespace metatape
