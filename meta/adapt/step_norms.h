#pragma once

#include "engine/model.h"

namespace metatape {

/// Scale and shift of every batch-norm layer for each of the inner steps, in the place of those of
/// the model: `step_norm.<name>` [steps, C]. Learned by the outer loop, left alone by the inner
/// one. Antoniou et al. 2019, arXiv:1810.09502, sec. 4 (BNWB).
std::vector<Parameter> step_norm_parameters(const Model&, std::int64_t steps);

/// phi with the scales and shifts of step k, counted from 0; of the last one if k is beyond.
ParamSet with_step_norms(const Model&, const ParamSet& phi, std::int64_t k);

}  // namespace metatape
