#include "meta/outer/displacement.h"
#include "meta/method/part.h"
#include "meta/outer/hessian_vector.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

class Displacement : public MetaGradient {
 public:
  ParamSet of(const TaskBatch& tasks, Learned& learned, Var) const override {
    if (learned.trajectory.phi.size() < 2)
      fail(ErrorKind::usage, "outer.gradient",
           "displacement is that of the inner steps, and the method takes none; use "
           "differentiated or inner.steps=5");
    return stop_gradient(tasks.theta - learned.trajectory.phi.back());
  }
};

void check_displacement(const Config& c) {
  refuse_if(c.inner.solver != "gradient", "outer.gradient",
            "{} takes no gradient steps that could go anywhere; use differentiated",
            c.inner.solver);
  refuse_if(c.inner.steps == 0, "outer.gradient",
            "displacement is that of the inner steps, found none; use inner.steps=5");
  refuse_if(c.inner.rates != "fixed" || c.inner.per_step_norm, "outer.gradient",
            "displacement moves what the inner loop changes: learned rates and norms of steps "
            "would stay as they are; use differentiated");
  refuse_if(c.inner.adapt == "context", "outer.gradient",
            "the inner loop changes the context alone, which starts anew in each task: nothing "
            "would be learned; use differentiated");
  refuse_if(c.inner.exact_from > 0, "inner.exact_from",
            "displacement differentiates through no inner gradient; drop it");
  refuse_hessian_products(c, "displacement");
  refuse_if(c.outer.query_loss != "last" || !active_regularizers(c).empty(), "outer.gradient",
            "displacement minimises no query loss, so its weights and regularizers have no "
            "effect; use differentiated or drop them");
}

}  // namespace

std::shared_ptr<const MetaGradient> make_displacement() { return std::make_shared<Displacement>(); }

const Part<MetaGradient> displacement_part{
    .name = "displacement",
    .formula = "theta - phi_S",
    .source = "Nichol, Achiam, Schulman 2018, arXiv:1803.02999, algorithm 2",
    .make = [](const Config&) { return make_displacement(); },
    .check = check_displacement,
};

}  // namespace metatape
