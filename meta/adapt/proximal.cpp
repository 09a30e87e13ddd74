#include "meta/adapt/proximal.h"

#include "engine/ops.h"

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

}  // namespace metatape
