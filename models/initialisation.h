#pragma once

#include <cstdint>
#include <span>

#include "engine/params.h"
#include "engine/tensor.h"

namespace metatape {

/// Uniform in +-sqrt(6 / (fan_in + fan_out)). Glorot & Bengio 2010, AISTATS, eq. 16.
Initializer glorot_uniform(std::int64_t fan_in, std::int64_t fan_out);

/// Fills the states `theta/<name>`. Parameter i draws from its own Philox stream (seed,
/// initialisation, i), in file order: the same numbers for every dtype and device.
void initialise(StateStore&, std::span<const Parameter>, DType, std::uint64_t seed);

}  // namespace metatape
