#include "meta/outer/stepwise.h"

#include "engine/autodiff.h"
#include "engine/ops.h"

namespace metatape {
namespace {

class Stepwise : public MetaGradient {
 public:
  ParamSet of(const TaskBatch&, Learned& learned, Var outer_loss) const override {
    const Trajectory& t = learned.trajectory;
    if (learned.cut.size() != t.gradient.size())
      fail(ErrorKind::usage, "outer.gradient",
           "{} of {} steps are cut: their derivative cannot be taken step by step",
           learned.cut.size(), t.gradient.size());
    ParamSet v = grad(outer_loss, t.phi.back());
    for (std::size_t k = t.gradient.size(); k-- > 0;) {
      const Scope scope(*outer_loss.tape, fmt::format("inner/{}", k));
      v = before_step(t.phi[k], t.gradient[k], learned.cut[k], v, outer_loss);
    }
    return v;
  }

 private:
  /// v_k from v_{k+1}.
  static ParamSet before_step(const ParamSet& phi, const ParamSet& gradient, const CutStep& step,
                              const ParamSet& v, Var outer_loss) {
    std::vector<Var> results = step.next.values(), cotangents = v.values(), wrt = phi.values();
    results.push_back(outer_loss);
    cotangents.push_back(fill(*outer_loss.tape, outer_loss.shape(), 1, outer_loss.dtype()));
    const std::vector<Var> of_gradient = gradient.values();
    wrt.insert(wrt.end(), of_gradient.begin(), of_gradient.end());
    const std::vector<Var> direct = vjp(results, cotangents, wrt);
    const auto u = std::span(direct).subspan(phi.size());

    std::vector<Var> adapted;
    for (const auto& entry : gradient.entries()) adapted.push_back(phi[entry.name]);
    const std::vector<Var> through_gradient =
        jvp(grad(step.support_loss, phi).values(), adapted, u);
    return phi.with_values(std::span(direct).first(phi.size())) + phi.with_values(through_gradient);
  }
};

}  // namespace

std::shared_ptr<const MetaGradient> make_stepwise() { return std::make_shared<Stepwise>(); }

}  // namespace metatape
