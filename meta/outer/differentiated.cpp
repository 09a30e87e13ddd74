#include "engine/autodiff.h"
#include "meta/method/part.h"
#include "meta/outer/hessian_vector.h"
#include "meta/outer/meta_gradient.h"
#include "meta/outer/stepwise.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

class Differentiated : public MetaGradient {
 public:
  ParamSet of(const TaskBatch& tasks, Learned&, Var outer_loss) const override {
    return grad(outer_loss, tasks.theta);
  }
};

void check_differentiated(const Config& c) {
  refuse_if(c.inner.solver == "proximal", "outer.gradient",
            "the steps of inner.solver=proximal are constants: there is nothing to differentiate; "
            "use outer.gradient=implicit, forward_difference or symmetric_difference");
  refuse_if(c.inner.hvp == "forward" && !has_exact_products(c), "inner.hvp",
            "forward is a form of exact products with the Hessians of inner steps; use "
            "inner.solver=gradient, inner.order=exact and inner.steps=1 or more, or drop it");
  if (c.inner.hvp != "difference") return;
  const Config::Inner& inner = c.inner;
  refuse_if(inner.solver != "gradient" || inner.adapt != "all" || inner.order != "exact" ||
                inner.recompute || inner.exact_from > 0,
            "inner.hvp",
            "differenced products run the reverse recursion of plain gradient steps; use "
            "inner.solver=gradient, inner.adapt=all, inner.order=exact, inner.exact_from=0 and "
            "inner.recompute=false");
  refuse_if(
      inner.rates != "fixed" || inner.per_step_norm || inner.batch > 0 || inner.optimizer != "sgd",
      "inner.hvp",
      "the reverse recursion with differenced products knows steps of one fixed size on the "
      "whole support set; drop inner.rates, inner.per_step_norm, inner.batch and "
      "inner.optimizer, or use inner.hvp=exact");
  refuse_if(c.outer.query_loss != "last" || !active_regularizers(c).empty(), "inner.hvp",
            "the reverse recursion with differenced products starts at the last step, other losses "
            "and regularizers read earlier ones; use inner.hvp=exact");
}

}  // namespace

std::shared_ptr<const MetaGradient> make_differentiated() {
  return std::make_shared<Differentiated>();
}

const Part<MetaGradient> differentiated_part{
    .name = "differentiated",
    .formula =
        "d outer loss / d theta through all inner steps, as far as inner.order keeps them; "
        "with inner.hvp=forward or difference step by step: v_k = v_{k+1} - lr H_k v_{k+1}",
    .source = "Finn, Abbeel, Levine 2017, arXiv:1703.03400, sec. 2.2",
    .make = [](const Config& c) -> std::shared_ptr<const MetaGradient> {
      switch (hessian_product(c)) {
        case HessianProduct::reverse:
          return make_differentiated();
        case HessianProduct::forward:
          return make_stepwise();
        case HessianProduct::difference:
          return make_reverse_recursion(c.inner.lr, HessianProduct::difference);
      }
      fail(ErrorKind::internal, "inner.hvp", "unknown product");
    },
    .check = check_differentiated,
};

}  // namespace metatape
