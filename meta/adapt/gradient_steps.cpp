#include "meta/adapt/gradient_steps.h"

#include <optional>

#include "engine/autodiff.h"
#include "engine/ops.h"

namespace metatape {
namespace {

bool is_adapted(const std::string& group, Adapted which) {
  switch (which) {
    case Adapted::all:
      return group == parameter_group::kHead || group == parameter_group::kBody;
    case Adapted::head:
      return group == parameter_group::kHead;
    case Adapted::body:
      return group == parameter_group::kBody;
    case Adapted::context:
      return group == parameter_group::kContext;
  }
  return false;
}

class GradientSteps : public Adaptation {
 public:
  explicit GradientSteps(const GradientStepOptions& o) : o_(o) {}

  Learned learn(const TaskBatch& tasks, std::int64_t steps) const override {
    Tape& tape = *tasks.episode.support_x.tape;
    Learned learned{.predict = {}, .steps = steps};
    Trajectory& t = learned.trajectory;
    t.phi.push_back(tasks.theta);
    for (std::int64_t k = 0; k < steps; ++k) {
      const Scope scope(tape, fmt::format("inner/{}", k));
      std::optional<RecomputeSegment> segment;
      if (o_.recompute) segment.emplace(tape);
      t.gradient.push_back(support_gradient(tasks, t.phi.back()));
      t.phi.push_back(stepped(t.phi.back(), t.gradient.back()));
    }
    learned.predict = [tasks, phi = t.phi](std::int64_t k, Var x) {
      return predict_queries(tasks, phi[std::size_t(k)], x);
    };
    return learned;
  }

 private:
  /// Of the adapted entries alone.
  ParamSet support_gradient(const TaskBatch& tasks, const ParamSet& phi) const {
    ParamSet adapted;
    for (const auto& entry : phi.entries())
      if (is_adapted(entry.group, o_.adapted)) adapted.add(entry.name, entry.group, entry.value);
    const Var prediction = tasks.model.forward(phi, tasks.episode.support_x);
    const ParamSet g = grad(tasks.objective.loss(prediction, tasks.episode.support_y), adapted);
    return o_.exact ? g : stop_gradient(g);
  }

  ParamSet stepped(const ParamSet& phi, const ParamSet& gradient) const {
    std::vector<Var> next;
    std::size_t k = 0;
    for (const auto& entry : phi.entries())
      next.push_back(is_adapted(entry.group, o_.adapted)
                         ? entry.value - o_.lr * gradient.entries()[k++].value
                         : entry.value);
    return phi.with_values(next);
  }

  GradientStepOptions o_;
};

}  // namespace

std::shared_ptr<const Adaptation> make_gradient_steps(const GradientStepOptions& options) {
  return std::make_shared<GradientSteps>(options);
}

}  // namespace metatape
