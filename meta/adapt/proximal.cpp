#include "meta/adapt/proximal.h"

#include "engine/ops.h"
#include "meta/adapt/step_settings.h"
#include "meta/method/part.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

/// Of the loss whose minimum near theta is wanted, at phi. A constant.
ParamSet loss_gradient(const TaskBatch& tasks, const ParamSet& phi, double query_weight) {
  const EpisodeVars& e = tasks.episode;
  Var loss = tasks.objective.loss(tasks.model.forward(phi, e.support_x), e.support_y);
  if (query_weight != 0)
    loss = loss +
           query_weight * tasks.objective.loss(predict_queries(tasks, phi, e.query_x), e.query_y);
  return stop_gradient(grad(loss, phi));
}

class Proximal : public Adaptation {
 public:
  explicit Proximal(const ProximalOptions& o) : o_(o) {}

  Learned learn(const TaskBatch& tasks, std::int64_t steps) const override {
    Learned learned{.predict = {}, .steps = steps};
    learned.trajectory = proximal_steps(tasks, steps, o_);
    learned.predict = [tasks, phi = learned.trajectory.phi](std::int64_t k, Var x) {
      return predict_queries(tasks, phi[std::size_t(k)], x);
    };
    return learned;
  }

 private:
  ProximalOptions o_;
};

void check_proximal(const Config& c) {
  refuse_step_settings(c);
  refuse_if(c.inner.steps == 0, "inner.steps",
            "without steps the solution of the proximal problem would be theta itself; use "
            "inner.steps=16");
  refuse_if(c.inner.lr == 0, "inner.lr",
            "with steps of no size the solution of the proximal problem would be theta itself; "
            "expected a number > 0");
  refuse_if(c.inner.lambda <= 0, "inner.lambda",
            "without a pull to the start a solution forgets the meta-parameters; expected a number "
            "> 0, found {}",
            c.inner.lambda);
  refuse_if(c.inner.adapt != "all" || c.model.context > 0, "inner.adapt",
            "the proximal problem is over all parameters, and so is the linear system of its "
            "derivative; use inner.adapt=all and model.context=0");
  refuse_if(c.inner.order == "first", "inner.order",
            "the steps of inner.solver=proximal are constants already; drop it");
  refuse_if(c.inner.recompute, "inner.recompute",
            "the steps of inner.solver=proximal keep nothing: there is nothing to recompute; drop "
            "it");
}

}  // namespace

Trajectory proximal_steps(const TaskBatch& tasks, std::int64_t steps, const ProximalOptions& o,
                          double query_weight) {
  const ParamSet theta = stop_gradient(tasks.theta);
  Trajectory t{.phi = {theta}, .gradient = {}};
  for (std::int64_t k = 0; k < steps; ++k) {
    const Scope scope(*tasks.episode.support_x.tape, fmt::format("inner/{}", k));
    const ParamSet& phi = t.phi.back();
    t.gradient.push_back(loss_gradient(tasks, phi, query_weight));
    t.phi.push_back(phi - o.lr * (t.gradient.back() + o.lambda * (phi - theta)));
  }
  return t;
}

std::shared_ptr<const Adaptation> make_proximal(const ProximalOptions& options) {
  return std::make_shared<Proximal>(options);
}

ProximalOptions proximal_options(const Config& c) {
  return {.lambda = c.inner.lambda, .lr = c.inner.lr};
}

void check_solves_proximal_problem(const Config& c) {
  refuse_if(c.inner.solver != "proximal", "outer.gradient",
            "{} is for the solution of a proximal problem, found inner.solver={}; use "
            "inner.solver=proximal",
            c.outer.gradient, c.inner.solver);
}

const Part<Adaptation> proximal_part{
    .name = "proximal",
    .formula = "phi_{k+1} = phi_k - lr (grad L_support(phi_k) + lambda (phi_k - theta)), constant",
    .source = "Rajeswaran, Finn, Kakade, Levine 2019, arXiv:1909.04630, eq. 3",
    .reading = "the released code pulls towards theta once, after the last step",
    .make = [](const Config& c) { return make_proximal(proximal_options(c)); },
    .check = check_proximal,
};

}  // namespace metatape
