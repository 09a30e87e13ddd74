#include "meta/outer/hessian_vector.h"

#include <cmath>
#include <limits>

#include "engine/autodiff.h"
#include "engine/ops.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

/// eps^(1/3): where truncation and rounding of a central difference balance.
double relative_step(DType dtype) {
  return std::cbrt(dtype == DType::f64 ? std::numeric_limits<double>::epsilon()
                                       : double(std::numeric_limits<float>::epsilon()));
}

class ReverseRecursion : public MetaGradient {
 public:
  ReverseRecursion(double lr, HessianProduct product) : lr_(lr), product_(product) {}

  ParamSet of(const TaskBatch& tasks, Learned& learned, Var outer_loss) const override {
    const std::vector<ParamSet>& phi = learned.trajectory.phi;
    ParamSet v = stop_gradient(grad(outer_loss, phi.back()));
    for (std::size_t k = phi.size() - 1; k-- > 0;)
      v = v - lr_ * SupportHessian(tasks, stop_gradient(phi[k]), product_).times(v);
    return v;
  }

 private:
  double lr_;
  HessianProduct product_;
};

}  // namespace

HessianProduct hessian_product(const Config& c) {
  if (c.inner.hvp == "difference") return HessianProduct::difference;
  return c.inner.hvp == "forward" ? HessianProduct::forward : HessianProduct::reverse;
}

bool has_exact_products(const Config& c) {
  if (c.inner.hvp == "difference") return false;
  const bool through_steps = c.inner.solver == "gradient" && c.inner.order == "exact" &&
                             c.inner.steps > 0 && c.outer.gradient == "differentiated";
  return through_steps || c.outer.gradient == "implicit";
}

void refuse_hessian_products(const Config& c, const char* meta_gradient) {
  refuse_if(c.inner.hvp != "exact", "inner.hvp", "{} has no Hessian-vector products; drop it",
            meta_gradient);
}

SupportHessian::SupportHessian(const TaskBatch& tasks, const ParamSet& phi, HessianProduct product)
    : tasks_(tasks), phi_(phi), product_(product) {
  if (product_ != HessianProduct::difference) gradient_ = gradient_at(phi_);
}

ParamSet SupportHessian::gradient_at(const ParamSet& phi) const {
  const Var prediction = tasks_.model.forward(phi, tasks_.episode.support_x);
  return grad(tasks_.objective.loss(prediction, tasks_.episode.support_y), phi);
}

ParamSet SupportHessian::times(const ParamSet& v) const {
  const ParamSet direction = stop_gradient(v);
  if (product_ == HessianProduct::reverse)
    return stop_gradient(grad(dot(gradient_, direction), phi_));
  if (product_ == HessianProduct::forward)
    return stop_gradient(
        phi_.with_values(jvp(gradient_.values(), phi_.values(), direction.values())));
  const Var length = norm(direction);
  const DType dtype = length.dtype();
  // A zero direction has a zero product: the bound keeps its step finite.
  const Var at_least = fill(*length.tape, {}, std::numeric_limits<float>::min(), dtype);
  const Var r = relative_step(dtype) * reciprocal(maximum(length, at_least));
  const ParamSet up = stop_gradient(phi_ + r * direction);
  const ParamSet down = stop_gradient(phi_ - r * direction);
  return stop_gradient(0.5 * reciprocal(r) * (gradient_at(up) - gradient_at(down)));
}

std::shared_ptr<const MetaGradient> make_reverse_recursion(double lr, HessianProduct product) {
  return std::make_shared<ReverseRecursion>(lr, product);
}

}  // namespace metatape
