#pragma once

#include "meta/outer/hessian_vector.h"

namespace metatape {

struct ImplicitOptions {
  double lambda = 2;          ///< of the proximal problem that phi* solves
  std::int64_t cg_steps = 5;  ///< fixed, so that the program is
  double damping = 0;
  HessianProduct product = HessianProduct::reverse;
  /// A task whose next direction p has p' A p <= 0 keeps the solution so far, or b / (1 + damping)
  /// if that is its first: Steihaug 1983, SIAM J. Numer. Anal. 20(3), algorithm 2.1, without the
  /// trust region. False: such a direction breaks an assumption.
  bool truncate = false;
};

/// d L_query(phi*) / d theta for phi* = argmin L_support(phi) + lambda / 2 |phi - theta|^2. The
/// optimality condition grad L_support(phi*) + lambda (phi* - theta) = 0, differentiated, gives
/// d phi* / d theta = (I + H / lambda)^-1 with H = hess L_support(phi*), so the meta-gradient x of
/// a task solves
///
///   A x = b,   A v = (1 + damping) v + H v / lambda,   b = grad L_query(phi*),
///
/// by conjugate gradients (Hestenes & Stiefel 1952) with step sizes of each task. Rajeswaran et al.
/// 2019, arXiv:1909.04630, eq. 6 and algorithm 2, at damping 0; their released code solves
/// (2 I + H / 12) x = b for lambda = 2, which is damping 1 and another lambda.
/// Diagnostics: cg_residual, |b - A x| / |b|; cg_truncated, 1 for a task that stopped early.
/// Assumption, unless truncated: p' A p > 0 for each direction p as long as the residual is above
/// rounding.
std::shared_ptr<const MetaGradient> make_implicit(const ImplicitOptions&);

}  // namespace metatape
