#pragma once

// The smallest tasks: one number phi, L_support = a/2 (phi - c)^2 and L_query = b/2 (phi - d)^2
// with a = 2, c = 1, b = 3, d = -1, and theta = 0.5. Their golden values follow by hand.

#include <gtest/gtest.h>

#include "meta/adapt/gradient_steps.h"
#include "meta/combine/combination.h"
#include "meta/outer/meta_gradient.h"
#include "meta/outer/query_loss.h"
#include "tests/support/sandbox.h"

namespace metatape {

/// A model that predicts its one parameter, or the parameter times x.
inline Model scalar_model(bool linear = false) {
  Model m{.name = "scalar", .parameters = {{"phi", parameter_group::kBody, {1}}}, .outputs = 1};
  m.body = [linear](const ParamSet& p, Var x, const BatchNormPass&) {
    const Var phi = reshape(p["phi"], {1, 1});
    return linear ? x * phi : phi;
  };
  m.head = [](const ParamSet&, Var features) { return features; };
  return m;
}

/// The target is (curvature, minimum): [1,2].
inline Objective quadratic_objective() {
  const auto loss = [](Var phi, Var target) {
    const Var curvature = slice(target, 1, 0, 1), minimum = slice(target, 1, 1, 2);
    return sum(0.5 * curvature * square(phi - minimum));
  };
  return {.loss = loss, .score = loss, .divergence = regression_objective().divergence};
}

struct ScalarProblem {
  static constexpr double kLr = 0.1;

  Sandbox s;
  Model model = scalar_model();
  Objective objective = quadratic_objective();
  double iteration = 0;

  /// The meta-step of the method with theta and, where the method learns rates, those.
  MetaStep record(const Method& method) { return record_meta_step(method, batch(method)); }

  TaskBatch batch(const Method& method) {
    ParamSet theta;
    theta.add("phi", parameter_group::kBody, s.value({1}, {0.5}));
    for (const Parameter& p : method.adaptation->parameters(model))
      theta.add(
          p.name, p.group,
          s.value(p.shape, std::vector<double>(std::size_t(p.shape.elements()), p.init.scale)));
    const Var x = s.value({1, 1}, {1});
    return {.model = model,
            .objective = objective,
            .theta = theta,
            .episode = {x, s.value({1, 2}, {2, 1}), x, s.value({1, 2}, {3, -1})},
            .iteration = s.scalar(iteration)};
  }
};

inline Method gradient_method(GradientStepOptions o, std::int64_t steps) {
  o.trained_steps = steps;
  return {.adaptation = make_gradient_steps(o),
          .query_loss = make_last_step_loss(),
          .regularizers = {},
          .meta_gradient = make_differentiated(),
          .combination = make_mean(),
          .steps = steps,
          .test_steps = steps};
}

}  // namespace metatape
