#pragma once

#include "engine/model.h"
#include "engine/tensor.h"
#include "meta/data/episode_source.h"

namespace metatape {

/// sigma with sigma^2 half the median squared distance between the features of two support examples
/// of one task, over the first batch: half of the kernel's values are then above 1/e.
/// `initial` holds the parameters in f64.
/// Errors: numerical, if most features are equal.
double median_kernel_width(const Model&, const EpisodeSource&, std::int64_t tasks,
                           StateStore& initial);

}  // namespace metatape
