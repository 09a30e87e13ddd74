#include "meta/compose.h"

#include "meta/adapt/closed_form.h"
#include "meta/adapt/gradient_steps.h"
#include "meta/adapt/proximal.h"
#include "meta/combine/combination.h"
#include "meta/outer/displacement.h"
#include "meta/outer/finite_difference.h"
#include "meta/outer/implicit.h"
#include "meta/outer/meta_gradient.h"
#include "meta/outer/multi_step_loss.h"
#include "meta/outer/query_loss.h"
#include "meta/regularize/amplitude.h"
#include "meta/regularize/kernel_terms.h"
#include "meta/regularize/phase.h"

namespace metatape {
namespace {

Adapted adapted_of(const Config& c) {
  if (c.inner.adapt == "head") return Adapted::head;
  if (c.inner.adapt == "body") return Adapted::body;
  if (c.inner.adapt == "context") return Adapted::context;
  return Adapted::all;
}

ClosedFormOptions closed_form_of(const Config::Head& c) {
  return {.lambda = c.lambda,
          .sigma = c.sigma > 0 ? c.sigma : 1,  // assemble() then knows better
          .scale = c.scale,
          .learn = c.learn,
          .first_order = c.first_order,
          .margin = c.margin,
          .qp_steps = c.qp_steps};
}

ProximalOptions proximal_of(const Config& c) {
  return {.lambda = c.inner.lambda, .lr = c.inner.lr};
}

Rates rates_of(const std::string& rates) {
  if (rates == "per_element") return Rates::per_element;
  if (rates == "per_layer_step") return Rates::per_layer_step;
  return Rates::fixed;
}

std::shared_ptr<const Adaptation> adaptation_of(const Config& c) {
  if (c.inner.solver == "proximal") return make_proximal(proximal_of(c));
  if (c.inner.solver == "ridge") return make_ridge(closed_form_of(c.head));
  if (c.inner.solver == "rbf_ridge") return make_rbf_ridge(closed_form_of(c.head));
  if (c.inner.solver == "svm") return make_svm(closed_form_of(c.head));
  if (c.inner.solver == "prototypes") return make_prototypes(closed_form_of(c.head));
  return make_gradient_steps(
      {.adapted = adapted_of(c),
       .exact = c.inner.order == "exact",
       .lr = c.inner.lr,
       .recompute = c.inner.recompute,
       .rates = rates_of(c.inner.rates),
       .trained_steps = c.inner.steps,
       .per_step_norm = c.inner.per_step_norm,
       .exact_from = c.inner.exact_from,
       .optimizer = c.inner.optimizer == "adam" ? InnerOptimizer::adam : InnerOptimizer::sgd,
       .ways = c.task.ways,
       .batch = c.inner.batch,
       .log_consistency = c.regularize.log});
}

Information information_of(const std::string& kind) {
  if (kind == "capacity") return Information::capacity;
  if (kind == "mutual") return Information::mutual;
  return Information::gain;
}

std::vector<std::shared_ptr<const Regularizer>> regularizers_of(const Config& config) {
  const Config::Regularize& c = config.regularize;
  std::vector<std::shared_ptr<const Regularizer>> all;
  if (c.phase > 0) {
    PhaseLossOptions options{.coefficient = c.phase, .teacher_detach = c.teacher_detach || c.shot};
    if (c.shot) options.fixed_lr = config.inner.lr;
    all.push_back(make_phase_loss(options));
  }
  if (c.amplitude > 0) all.push_back(make_amplitude_loss(c.amplitude));
  if (c.gradient_norm > 0)
    all.push_back(
        make_functional_gradient_term(c.gradient_norm, c.mu_sign == "minus" ? -1.0 : 1.0));
  if (c.information > 0)
    all.push_back(make_information_term(c.information, information_of(c.information_kind)));
  return all;
}

std::shared_ptr<const MetaGradient> meta_gradient_of(const Config& c) {
  const bool exact = c.inner.hvp == "exact";
  const HessianProduct product = exact ? HessianProduct::exact : HessianProduct::difference;
  if (c.outer.gradient == "implicit")
    return make_implicit({.lambda = c.inner.lambda,
                          .cg_steps = c.inner.cg_steps,
                          .damping = c.inner.damping,
                          .product = product});
  if (c.outer.gradient == "displacement") return make_displacement();
  if (c.outer.gradient.ends_with("_difference"))
    return make_finite_difference({.proximal = proximal_of(c),
                                   .nu = c.outer.difference,
                                   .symmetric = c.outer.gradient == "symmetric_difference"});
  return exact ? make_differentiated() : make_reverse_recursion(c.inner.lr, product);
}

std::shared_ptr<const Combination> combination_of(const Config& c) {
  return c.outer.combine == "similarity" ? make_similarity() : make_mean();
}

}  // namespace

Method compose(const Config& c) {
  return {.adaptation = adaptation_of(c),
          .query_loss = c.outer.query_loss == "multi_step"
                            ? make_multi_step_loss(c.outer.multi_step_until)
                            : make_last_step_loss(),
          .regularizers = regularizers_of(c),
          .meta_gradient = meta_gradient_of(c),
          .combination = combination_of(c),
          .steps = c.inner.steps,
          .test_steps = c.inner.test_steps};
}

Objective objective_of(TaskKind kind) {
  return kind == TaskKind::classification ? classification_objective() : regression_objective();
}

BatchNormProtocol protocol_of(const Config& c) {
  return c.eval.protocol == "inductive" ? BatchNormProtocol::inductive
                                        : BatchNormProtocol::transductive;
}

Model with_method_parameters(Model model, const Method& method) {
  if (method.adaptation->replaces_head())
    std::erase_if(model.parameters,
                  [](const Parameter& p) { return p.group == parameter_group::kHead; });
  for (const Parameter& p : method.adaptation->parameters(model)) model.parameters.push_back(p);
  return model;
}

}  // namespace metatape
