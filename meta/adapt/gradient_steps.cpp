#include "meta/adapt/gradient_steps.h"

#include <algorithm>
#include <optional>
#include <set>

#include "engine/autodiff.h"
#include "engine/ops.h"
#include "meta/adapt/inner_adam.h"
#include "meta/adapt/step_norms.h"
#include "meta/adapt/support_batches.h"
#include "meta/method/part.h"
#include "meta/settings/refuse.h"

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
      const Var loss = support_loss(tasks, t.phi.back(), k);
      t.gradient.push_back(support_gradient(loss, tasks.model, t.phi.back()));
      if (o_.cut) {
        segment.reset();  // what follows is recorded once, and reads no more than the gradient
        t.gradient.back() = stop_gradient(t.gradient.back());
      }
      const bool plain = o_.optimizer == InnerOptimizer::sgd;
      t.phi.push_back(
          stepped(t.phi.back(), plain ? t.gradient.back() : adam.direction(t.gradient.back()), k));
      if (o_.cut) {
        learned.cut.push_back({loss, t.phi.back()});
        t.phi.back() = stop_gradient(t.phi.back());
      }
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

  Var support_loss(const TaskBatch& tasks, const ParamSet& phi, std::int64_t k) const {
    const Examples support = support_batch(tasks.episode, o_.ways, o_.batch, k);
    const Var prediction = tasks.model.forward(
        o_.per_step_norm ? with_step_norms(tasks.model, phi, k) : phi, support.x);
    return tasks.objective.loss(prediction, support.y);
  }

  /// Of the adapted entries alone.
  ParamSet support_gradient(Var loss, const Model& model, const ParamSet& phi) const {
    std::set<std::string> names;
    for (const Parameter& p : adapted_parameters(model)) names.insert(p.name);
    ParamSet adapted;
    for (const auto& entry : phi.entries())
      if (names.contains(entry.name)) adapted.add(entry.name, entry.group, entry.value);
    const ParamSet g = grad(loss, adapted);
    return o_.exact ? g : stop_gradient(g);
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

Adapted adapted_of(const Config& c) {
  if (c.inner.adapt == "head") return Adapted::head;
  if (c.inner.adapt == "body") return Adapted::body;
  if (c.inner.adapt == "context") return Adapted::context;
  return Adapted::all;
}

Rates rates_of(const Config& c) {
  if (c.inner.rates == "per_element") return Rates::per_element;
  if (c.inner.rates == "per_layer_step") return Rates::per_layer_step;
  return Rates::fixed;
}

GradientStepOptions options_of(const Config& c) {
  return {.adapted = adapted_of(c),
          .exact = c.inner.order == "exact",
          .lr = c.inner.lr,
          .recompute = c.inner.recompute,
          .cut = c.inner.hvp == "forward",
          .rates = rates_of(c),
          .trained_steps = c.inner.steps,
          .per_step_norm = c.inner.per_step_norm,
          .optimizer = c.inner.optimizer == "adam" ? InnerOptimizer::adam : InnerOptimizer::sgd,
          .ways = c.task.ways,
          .batch = c.inner.batch};
}

void check_gradient_steps(const Config& c) {
  const Config::Inner& inner = c.inner;
  refuse_if(inner.adapt == "context" && c.model.context == 0, "inner.adapt",
            "the model has no context parameters to adapt; give it some (model.context=100) or use "
            "inner.adapt=all");
  refuse_if(inner.exact_from > 0 && inner.order == "first", "inner.exact_from",
            "the order becomes exact at meta-step {}, but inner.order=first says never; drop one",
            inner.exact_from);
  refuse_if(inner.optimizer == "adam" && inner.order == "exact", "inner.optimizer",
            "the root in Adam has no derivative where a gradient is 0, as of inactive units; use "
            "inner.order=first");
  refuse_if(inner.recompute && inner.order == "first", "inner.recompute",
            "a first-order method keeps nothing of the inner steps: there is nothing to recompute; "
            "drop it or use inner.order=exact");
  const bool learned = inner.rates != "fixed" || inner.per_step_norm;
  refuse_if(learned && inner.steps == 0,
            inner.per_step_norm ? "inner.per_step_norm" : "inner.rates",
            "there are no inner steps to learn it for; use inner.steps=1 or more");
  refuse_if(inner.per_step_norm && c.model.name == "mlp", "inner.per_step_norm",
            "mlp has no batch norm; drop it");
  refuse_if(inner.batch > c.task.shots, "inner.batch",
            "{} examples per class in a step, but the support set has {}; use task.shots={}",
            inner.batch, c.task.shots, inner.batch);
}

}  // namespace

std::shared_ptr<const Adaptation> make_gradient_steps(const GradientStepOptions& options) {
  return std::make_shared<GradientSteps>(options);
}

const Part<Adaptation> gradient_part{
    .name = "gradient",
    .formula = "phi_{k+1} = phi_k - lr grad L_support(phi_k) over the parameters of inner.adapt",
    .source = "Finn, Abbeel, Levine 2017, arXiv:1703.03400, eq. 1",
    .make = [](const Config& c) { return make_gradient_steps(options_of(c)); },
    .check = check_gradient_steps,
};

}  // namespace metatape
