#pragma once

#include "meta/method/method.h"

namespace metatape {

/// The meta-gradient of make_differentiated(), step by step from the last to the first, for an
/// adaptation that cuts its steps (GradientStepOptions::cut). With the outer loss L and the support
/// loss l it is v_0 of
///
///   v_S = dL/dphi_S,   u_k = dL/dg_k + (dphi_{k+1}/dg_k)' v_{k+1},
///   v_k = dL/dphi_k + (dphi_{k+1}/dphi_k)' v_{k+1} + (dg_k/dphi_k)' u_k,   g_k = dl/dphi_k,
///
/// where the last product is the derivative of the whole gradient of l along u_k, as second
/// derivatives commute: forward over reverse. Kemaev et al. 2025, arXiv:2505.00793.
std::shared_ptr<const MetaGradient> make_stepwise();

}  // namespace metatape
