#include "meta/outer/implicit.h"

#include <limits>

#include "engine/autodiff.h"
#include "engine/ops.h"
#include "meta/adapt/proximal.h"
#include "meta/method/part.h"

namespace metatape {
namespace {

/// a / b where mask is 1, 0 where it is 0, whatever a and b are there but NaN.
Var ratio_where(Var mask, Var a, Var b) { return mask * a / (mask * b + (1.0 - mask)); }

/// The state of conjugate gradients on A x = b in every task. A task whose residual has reached
/// rounding stays where it is: its next step sizes would be 0 / 0. One that meets a direction which
/// A does not bend upwards stays as well, if it may.
class ConjugateGradients {
 public:
  ConjugateGradients(const ParamSet& b, bool truncate)
      : x_(0.0 * b),
        residual_(b),
        direction_(b),
        square_(dot(b, b)),
        start_(square_),
        steps_(0.0 * square_),
        indefinite_(0.0 * square_),
        truncate_(truncate) {
    const double eps = start_.dtype() == DType::f64 ? std::numeric_limits<double>::epsilon()
                                                    : double(std::numeric_limits<float>::epsilon());
    rounding_ = eps * eps * start_;
  }

  const ParamSet& direction() const { return direction_; }
  const ParamSet& solution() const { return x_; }

  /// `image` is A direction().
  void step(const ParamSet& image) {
    Var active = greater(square_, rounding_);
    const Var curvature = dot(direction_, image);
    if (truncate_) active = active * (1.0 - greater(indefinite_, 0.0 * indefinite_));
    const Var bent = active * (1.0 - greater(curvature, 0.0 * curvature));
    indefinite_ = indefinite_ + bent;
    if (truncate_) active = active - bent;
    steps_ = steps_ + active;
    const Var alpha = ratio_where(active, square_, curvature);
    x_ = x_ + alpha * direction_;
    residual_ = residual_ - alpha * image;
    const Var next = dot(residual_, residual_);
    direction_ = residual_ + ratio_where(active, next, square_) * direction_;
    square_ = next;
  }

  /// |b - A x| / |b|, and 0 for b = 0.
  Var relative_residual() const {
    const Var nonzero = greater(start_, 0.0 * start_);
    return sqrt(ratio_where(nonzero, square_, start_));
  }
  /// Steps whose direction A does not bend upwards, of each task.
  Var indefinite_steps() const { return indefinite_; }
  /// 1 for tasks that took no step though b is not 0.
  Var at_start() const {
    return greater(start_, rounding_) * (1.0 - greater(steps_, 0.0 * steps_));
  }

 private:
  ParamSet x_, residual_, direction_;
  Var square_, start_, rounding_, steps_, indefinite_;
  bool truncate_;
};

class Implicit : public MetaGradient {
 public:
  explicit Implicit(const ImplicitOptions& o) : o_(o) {}

  ParamSet of(const TaskBatch& tasks, Learned& learned, Var outer_loss) const override {
    const ParamSet& solution = learned.trajectory.phi.back();
    const SupportHessian hessian(tasks, stop_gradient(solution), o_.product);
    const ParamSet b = stop_gradient(grad(outer_loss, solution));
    ConjugateGradients cg(b, o_.truncate);
    for (std::int64_t k = 0; k < o_.cg_steps; ++k) {
      const Scope scope(*outer_loss.tape, fmt::format("cg/{}", k));
      const ParamSet& p = cg.direction();
      cg.step((1 + o_.damping) * p + (1 / o_.lambda) * hessian.times(p));
    }
    learned.diagnostics.push_back({"cg_residual", cg.relative_residual()});
    if (o_.truncate) {
      learned.diagnostics.push_back({"cg_truncated", sign(cg.indefinite_steps())});
      return cg.solution() + (1 / (1 + o_.damping)) * (cg.at_start() * b);
    }
    learned.assumptions.push_back(
        {cg.indefinite_steps(),
         fmt::format("the system (1 + damping) I + H / lambda of the implicit gradient is not "
                     "positive definite at inner.lambda={}, inner.damping={}; use a larger "
                     "inner.lambda, more damping, or inner.indefinite=truncate",
                     o_.lambda, o_.damping)});
    return cg.solution();
  }

 private:
  ImplicitOptions o_;
};

}  // namespace

std::shared_ptr<const MetaGradient> make_implicit(const ImplicitOptions& options) {
  return std::make_shared<Implicit>(options);
}

const Part<MetaGradient> implicit_part{
    .name = "implicit",
    .formula =
        "x with (1 + damping) x + H x / lambda = grad L_query(phi*), "
        "H = hess L_support(phi*), by inner.cg_steps conjugate gradient steps",
    .source = "Rajeswaran, Finn, Kakade, Levine 2019, arXiv:1909.04630, eq. 6",
    .reading = "inner.damping is 0 in the paper; the released code has 1 and another lambda",
    .make =
        [](const Config& c) {
          return make_implicit({.lambda = c.inner.lambda,
                                .cg_steps = c.inner.cg_steps,
                                .damping = c.inner.damping,
                                .product = hessian_product(c),
                                .truncate = c.inner.indefinite == "truncate"});
        },
    .check = check_solves_proximal_problem,
};

}  // namespace metatape
