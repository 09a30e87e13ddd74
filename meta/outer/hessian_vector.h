#pragma once

#include "meta/method/method.h"
#include "meta/settings/config.h"

namespace metatape {

/// How a product with a Hessian is computed. The first two are exact: engine/autodiff.h, HvpForm.
enum class HessianProduct {
  reverse,     ///< grad <grad L(phi), v>: one more reverse sweep
  forward,     ///< the derivative of grad L along v
  difference,  ///< (grad L(phi + r v) - grad L(phi - r v)) / (2 r), r = eps^(1/3) / |v|: gradients
               ///< alone. Error O(r^2 |v|^2) of the third derivative and eps / (r |v|) of rounding
};

HessianProduct hessian_product(const Config&);

/// Whether the meta-gradient of these settings has exact products, in the one form or the other.
bool has_exact_products(const Config&);

/// Of meta-gradients without any products. Errors: usage, for settings that choose one.
void refuse_hessian_products(const Config&, const char* meta_gradient);

/// H = hess L_support(phi) of each task, as the map v -> H v. The result is a constant of v.
class SupportHessian {
 public:
  SupportHessian(const TaskBatch&, const ParamSet& phi, HessianProduct);
  ParamSet times(const ParamSet& v) const;

 private:
  ParamSet gradient_at(const ParamSet& phi) const;

  const TaskBatch& tasks_;
  ParamSet phi_;
  HessianProduct product_;
  ParamSet gradient_;  ///< at phi; empty where differences replace it
};

/// d L_outer / d theta of gradient steps phi_{k+1} = phi_k - lr grad L_support(phi_k) on all
/// parameters, by the reverse recursion v_S = grad L_outer(phi_S),
/// v_k = v_{k+1} - lr hess L_support(phi_k) v_{k+1}. With exact products it equals
/// make_differentiated(); with differences nothing but gradients is evaluated. The outer loss must
/// read no point of the trajectory but the last.
std::shared_ptr<const MetaGradient> make_reverse_recursion(double lr, HessianProduct);

}  // namespace metatape
