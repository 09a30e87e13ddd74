#pragma once

#include <cstdint>
#include <span>

#include "engine/params.h"
#include "engine/tensor.h"

namespace metatape {

/// Uniform in +-sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010, AISTATS, eq. 16.
Initializer glorot_uniform(std::int64_t fan_in, std::int64_t fan_out);

/// Deviation sqrt(2 / fan), with fan_out where gradients, fan_in where values keep their size. He
/// et al. 2015, arXiv:1502.01852, eq. 10 and 14.
Initializer he_normal(std::int64_t fan);

/// Uniform in +-sqrt(3 / fan_in): variance 1 / fan_in, for layers without ReLU behind them.
/// He et al. 2015, eq. 10 without its factor 2.
Initializer he_uniform_linear(std::int64_t fan_in);

/// Fills the states `theta/<name>`. Parameter i draws from its own Philox stream (seed,
/// initialisation, i), in file order: the same numbers for every dtype and device.
void initialise(StateStore&, std::span<const Parameter>, DType, std::uint64_t seed);

}  // namespace metatape
