#pragma once

#include "meta/adapt/proximal.h"

namespace metatape {

struct FiniteDifferenceOptions {
  ProximalOptions proximal = {};  ///< of the adaptation
  double nu = 0.01;               ///< weight of the query loss in the perturbed problems, > 0
  bool symmetric = true;
};

/// The meta-gradient of make_implicit() from gradients alone. Let phi_nu solve
/// argmin L_support + nu L_query + lambda / 2 |phi - theta|^2. Its optimality condition,
/// differentiated in nu, gives d phi_nu / d nu = -(H + lambda I)^-1 grad L_query at nu = 0, and the
/// implicit gradient is lambda (H + lambda I)^-1 grad L_query. Hence
///
///   forward     lambda (phi_0 - phi_nu) / nu           error O(nu)
///   symmetric   lambda (phi_{-nu} - phi_nu) / (2 nu)   error O(nu^2)
///
/// and lambda / nu times what the inner solves lack. All solves take the same number of steps from
/// theta, so that most of that cancels. Chayti & Jaggi 2024, arXiv:2409.03682: a reading of the
/// abstract, whose rates it has.
std::shared_ptr<const MetaGradient> make_finite_difference(const FiniteDifferenceOptions&);

}  // namespace metatape
