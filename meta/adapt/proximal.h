#pragma once

#include "meta/method/method.h"
#include "meta/settings/config.h"

namespace metatape {

struct ProximalOptions {
  double lambda = 2;  ///< weight of the distance to theta, > 0
  double lr = 0.1;
};

/// Gradient steps from theta towards
///
///   phi* = argmin_phi L_support(phi) + query_weight L_query(phi) + lambda / 2 |phi - theta|^2
///
/// over all parameters. The steps are constants: no derivative leads back through them,
/// so memory does not grow with their number. They converge for lr < 2 / (lambda + the largest
/// curvature). Rajeswaran et al. 2019, arXiv:1909.04630, eq. 3 (query_weight 0); their released
/// code pulls towards theta once, after the last step. With lr = 1 / lambda the steps are
/// phi <- theta - grad L(phi) / lambda, the fixed-point iteration of the Moreau envelope:
/// Mishchenko, Hanzely, Richtarik 2023, arXiv:2301.06806.
Trajectory proximal_steps(const TaskBatch&, std::int64_t steps, const ProximalOptions&,
                          double query_weight = 0);

/// proximal_steps() on the support loss. A meta-gradient that knows what phi* solves belongs to it:
/// make_implicit(), make_finite_difference().
std::shared_ptr<const Adaptation> make_proximal(const ProximalOptions&);

ProximalOptions proximal_options(const Config&);

/// Of meta-gradients that know what phi* solves. Errors: usage, for other solvers.
void check_solves_proximal_problem(const Config&);

}  // namespace metatape
