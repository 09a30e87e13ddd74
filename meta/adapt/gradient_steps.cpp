#include "meta/adapt/gradient_steps.h"

#include <algorithm>
#include <optional>
#include <set>

#include "engine/autodiff.h"
#include "engine/ops.h"
#include "meta/adapt/inner_adam.h"
#include "meta/adapt/step_norms.h"
#include "meta/adapt/support_batches.h"
#include "meta/regularize/trajectory.h"

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

/// g as a value; as a derivative only from meta-step `from` on. The difference is exactly zero.
ParamSet differentiable_from(std::int64_t from, Var iteration, const ParamSet& g) {
  const Var first = fill(*iteration.tape, {}, double(from), iteration.dtype());
  const Var weight = greater_equal(iteration, first);
  std::vector<Var> values;
  for (const Var& v : g.values()) {
    const Var constant = stop_gradient(v);
    values.push_back(constant + weight * (v - constant));
  }
  return g.with_values(values);
}

class GradientSteps : public Adaptation {
 public:
  explicit GradientSteps(const GradientStepOptions& o)
      : o_(o), rates_{.rates = o.rates, .lr = o.lr, .steps = o.trained_steps} {}

  std::vector<Parameter> parameters(const Model& model) const override {
    std::vector<Parameter> all = rates_.parameters(adapted_parameters(model));
    if (o_.per_step_norm)
      for (Parameter& p : step_norm_parameters(model, o_.trained_steps)) all.push_back(p);
    return all;
  }

  Learned learn(const TaskBatch& tasks, std::int64_t steps) const override {
    Tape& tape = *tasks.episode.support_x.tape;
    Learned learned{.predict = {}, .steps = steps};
    Trajectory& t = learned.trajectory;
    t.phi.push_back(tasks.theta);
    InnerAdam adam;
    for (std::int64_t k = 0; k < steps; ++k) {
      const Scope scope(tape, fmt::format("inner/{}", k));
      std::optional<RecomputeSegment> segment;
      if (o_.recompute) segment.emplace(tape);
      t.gradient.push_back(support_gradient(tasks, t.phi.back(), k));
      const bool plain = o_.optimizer == InnerOptimizer::sgd;
      t.phi.push_back(
          stepped(t.phi.back(), plain ? t.gradient.back() : adam.direction(t.gradient.back()), k));
    }
    if (o_.log_consistency && steps > 0) {
      const Scope scope(tape, "consistency");
      learned.diagnostics = {
          {"phase_consistency", phase_consistency(t)},
          {"amplitude_consistency",
           amplitude_consistency(t, support_gradient(tasks, t.phi.back(), steps))}};
    }
    learned.predict = [tasks, phi = t.phi, own = o_.per_step_norm](std::int64_t k, Var x) {
      const ParamSet& reached = phi[std::size_t(k)];
      const std::int64_t norms = std::max<std::int64_t>(k - 1, 0);
      return predict_queries(tasks, own ? with_step_norms(tasks.model, reached, norms) : reached,
                             x);
    };
    return learned;
  }

 private:
  /// Scales and shifts of the steps take the place of the model's: the latter are not adapted.
  std::vector<Parameter> adapted_parameters(const Model& model) const {
    std::vector<Parameter> adapted;
    for (const Parameter& p : model.parameters)
      if (is_adapted(p.group, o_.adapted) && !(o_.per_step_norm && p.normalises))
        adapted.push_back(p);
    return adapted;
  }

  /// Of the adapted entries alone.
  ParamSet support_gradient(const TaskBatch& tasks, const ParamSet& phi, std::int64_t k) const {
    std::set<std::string> names;
    for (const Parameter& p : adapted_parameters(tasks.model)) names.insert(p.name);
    ParamSet adapted;
    for (const auto& entry : phi.entries())
      if (names.contains(entry.name)) adapted.add(entry.name, entry.group, entry.value);
    const Examples support = support_batch(tasks.episode, o_.ways, o_.batch, k);
    const Var prediction = tasks.model.forward(
        o_.per_step_norm ? with_step_norms(tasks.model, phi, k) : phi, support.x);
    const ParamSet g = grad(tasks.objective.loss(prediction, support.y), adapted);
    if (!o_.exact) return stop_gradient(g);
    return o_.exact_from > 0 ? differentiable_from(o_.exact_from, tasks.iteration, g) : g;
  }

  ParamSet stepped(const ParamSet& phi, const ParamSet& direction, std::int64_t k) const {
    std::vector<Var> next = phi.values();
    std::size_t i = 0;
    for (const auto& [name, group, d] : direction.entries()) {
      while (phi.entries()[i].name != name) ++i;  // the same order, with gaps
      next[i] = next[i] - rates_.scale(phi, name, k, d);
    }
    return phi.with_values(next);
  }

  GradientStepOptions o_;
  StepSizes rates_;
};

}  // namespace

std::shared_ptr<const Adaptation> make_gradient_steps(const GradientStepOptions& options) {
  return std::make_shared<GradientSteps>(options);
}

}  // namespace metatape
