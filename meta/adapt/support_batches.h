#pragma once

#include "meta/data/episode_source.h"

namespace metatape {

struct Examples {
  Var x, y;
};

/// The support examples of inner step k: `per_class` of each class, in the order in which they were
/// drawn, going round without repeating one before all were used. All of them if per_class is 0 or
/// the support set has no more.
/// A reading of Nichol et al. 2018, arXiv:1803.02999: their code cycles through the shuffled
/// support set, so that its batches are balanced over an epoch only; these are in each step.
Examples support_batch(const EpisodeVars&, std::int64_t ways, std::int64_t per_class,
                       std::int64_t k);

}  // namespace metatape
