#pragma once

#include <span>

#include "meta/method/method.h"

namespace metatape {

/// Weights w_1 .. w_S of the losses after 1 .. S steps, as functions of the meta-step t, floating
/// []. With u = t / until: w_k = max(1-u, 0.03) / S for k < S,
/// w_S = min(1 + u (S-1), S - 0.03 (S-1)) / S; they add up to 1. From meta-step `until` on w_S = 1
/// and the others are 0. The code of MAML++ changes them once an epoch; these change with each
/// step.
std::vector<Var> multi_step_weights(Var iteration, std::int64_t steps, std::int64_t until);

/// sum_k w_k L_query(phi_k). Antoniou et al. 2019, arXiv:1810.09502, sec. 4 (MSL), with the weights
/// of their code. Errors of the recording: usage, for adaptations without steps.
std::shared_ptr<const QueryLoss> make_multi_step_loss(std::int64_t until);

}  // namespace metatape
