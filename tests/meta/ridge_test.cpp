#include <nlohmann/json.hpp>

#include "meta/programs/memory.h"
#include "meta/programs/programs.h"
#include "tests/meta/closed_form_case.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

constexpr ClosedFormOptions kOptions{.lambda = 0.3, .scale = 2};

TEST(RidgeWeights, OfBothFormsHaveTheGoldenValue) {
  Sandbox s;
  const Var x = s.value({2, 1}, {1, 2}), y = s.value({2, 1}, {1, 0}), lambda = s.scalar(0.5);
  for (const RidgeForm form : {RidgeForm::primal, RidgeForm::dual})
    expect_all_near(s.run(ridge_weights(x, y, lambda, form)), Values{0.1818182}, tolerance::kGolden,
                    "w", 1);
}

TEST(RidgeWeights, SatisfyTheirOptimalityConditionInBothForms) {
  for (const auto& [n, d] : {std::pair<std::int64_t, std::int64_t>{7, 4}, {4, 7}}) {
    Sandbox s;
    const Plain z{n, d, random_values(n * d, 1)}, y{n, 3, random_values(3 * n, 2)};
    const Plain pull = product(transposed(z), y);  // (Z'Z + lambda I) W = Z'Y
    for (const RidgeForm form : {RidgeForm::primal, RidgeForm::dual}) {
      const Var w = ridge_weights(s.value({n, d}, z.v), s.value({n, 3}, y.v), s.scalar(0.2), form);
      const Plain weights{d, 3, s.run(w)};
      Plain left = product(product(transposed(z), z), weights);
      for (std::size_t i = 0; i < left.v.size(); ++i) left.v[i] += 0.2 * weights.v[i];
      expect_all_near(left.v, pull.v, tolerance::kOptimality, "Z'Z W + lambda W");
    }
  }
}

/// Weights that make a [z 1] W + b with zero derivative of |[z 1] W - Y|^2 / n + lambda |W|^2.
TEST(Ridge, PredictsByWeightsThatAreOptimalWithAColumnOfOnes) {
  for (const std::int64_t n : {3, 9}) {  // the dual form, the primal form
    const std::int64_t d = 4;
    const Values support = random_values(n * d, 1);
    // Queries at the origin and the unit vectors read the weights off the predictions.
    Values query = Values(std::size_t((d + 1) * d));
    for (std::int64_t j = 0; j < d; ++j) query[std::size_t((j + 1) * d + j)] = 1;
    FeatureTask t({n, d}, support, 3, {d + 1, d}, query);
    const Plain f{d + 1, 3, t.predictions(*make_ridge(kOptions))};
    Plain w = zeros(d + 1, 3), z = zeros(n, d + 1);
    for (std::int64_t c = 0; c < 3; ++c) {
      w(d, c) = f(0, c) / kOptions.scale;
      for (std::int64_t j = 0; j < d; ++j) w(j, c) = (f(j + 1, c) - f(0, c)) / kOptions.scale;
    }
    for (std::int64_t i = 0; i < n; ++i) {
      z(i, d) = 1;
      for (std::int64_t j = 0; j < d; ++j) z(i, j) = support[std::size_t(i * d + j)];
    }
    const Plain pull = product(transposed(z), one_hot(n, 3));
    Plain left = product(transposed(z), product(z, w));
    for (std::size_t i = 0; i < left.v.size(); ++i)
      left.v[i] += double(n) * kOptions.lambda * w.v[i];
    expect_all_near(left.v, pull.v, tolerance::kOptimality, "Z'Z W + n lambda W");
  }
}

TEST(Ridge, AddsItsOffsetToEveryPrediction) {
  FeatureTask t({2, 1}, {1, 2}, Values{1, 0}, {1, 1}, {3});
  const auto ridge = make_ridge(kOptions);
  const double without = t.predictions(*ridge)[0];
  t.theta.add("ridge.offset", parameter_group::kMethod, t.s.scalar(0.75));
  expect_all_near(t.predictions(*ridge), Values{without + 0.75}, tolerance::kExactForms, "f");
}

TEST(Ridge, HasTheMetaGradientOfItsOuterLoss) {
  for (const std::int64_t shots : {1, 2}) {  // 3 examples: dual; 6 of 4 + 1 columns: primal
    SCOPED_TRACE(shots);
    OuterObjective(method_of(make_ridge(kOptions)), shots).expect_exact();
  }
}

TEST(Ridge, OfFirstOrderKeepsTheLossAndDropsLambda) {
  ClosedFormOptions first = kOptions;
  first.first_order = true;
  OuterObjective a(method_of(make_ridge(kOptions)), 1), b(method_of(make_ridge(first)), 1);
  EXPECT_EQ(a.run(a.step().loss), b.run(b.step().loss));
  expect_all_zero(b.run(b.step().task_gradient["ridge.log_lambda"]), "lambda");
  EXPECT_NE(a.run(a.step().task_gradient["ridge.log_lambda"])[0], 0);
  EXPECT_NE(a.run(a.step().task_gradient["ridge.scale"])[0], 0);
  EXPECT_NE(a.run(a.step().task_gradient["conv1.weight"]),
            b.run(b.step().task_gradient["conv1.weight"]));
}

TEST(ClosedForm, ReplacesTheHeadOfTheNetworkByWhatItLearns) {
  const OuterObjective o(method_of(make_ridge(kOptions)), 1);
  std::vector<std::string> learned;
  for (const Parameter& p : o.model().parameters) {
    EXPECT_NE(p.group, parameter_group::kHead) << p.name;
    if (p.group == parameter_group::kMethod) learned.push_back(p.name);
  }
  EXPECT_EQ(learned, (std::vector<std::string>{"ridge.log_lambda", "ridge.scale", "ridge.offset"}));
}

Config closed_form_config(const std::string& solver) {
  Config c;
  c.inner.solver = solver;
  c.task.ways = 3;
  c.model.width = 4;
  c.outer.tasks = 2;
  return c;
}

std::size_t training_arena(Config c, std::int64_t steps) {
  c.inner.steps = steps;
  const std::vector<std::int64_t> images{3, 16, 16, 1};
  const EpisodeLayout layout{TaskKind::classification, 3, images, images};
  const Model model = with_method_parameters(
      make_conv4({.height = 16, .width = 16, .classes = 3, .filters = 4}), compose(c));
  return memory_need(record_training(c, model, layout, {}).program).arena_bytes;
}

TEST(ClosedForm, NeedsNoMemoryForInnerSteps) {
  for (const char* solver : {"ridge", "rbf_ridge", "svm", "prototypes"}) {
    const Config c = closed_form_config(solver);
    EXPECT_EQ(training_arena(c, 1), training_arena(c, 6)) << solver;
  }
  const Config c = closed_form_config("gradient");
  EXPECT_LT(training_arena(c, 1), training_arena(c, 6));  // the check can fail
}

TEST(ClosedForm, RefusesSettingsThatMakeNoSense) {
  const auto refused = [](const std::string& solver, const std::string& setting,
                          const std::string& reason) {
    SCOPED_TRACE(setting);
    expect_error(ErrorKind::usage, reason, [&] {
      Config c = closed_form_config(solver);
      check_config(c);
      set_config(c, setting);
      check_config(c);
    });
  };
  for (const char* solver : {"ridge", "rbf_ridge"})
    refused(solver, "head.lambda=0", "positive definite and its logarithm is learned");
  refused("ridge", "head.scale=0", "no derivative");
  refused("rbf_ridge", "head.learn=false", "kept as a learned parameter");
  refused("svm", "head.margin=0", "all vanish");
  refused("ridge", "inner.adapt=head", "a head of its own");
  refused("svm", "inner.order=first", "use head.first_order=true");
  refused("prototypes", "inner.recompute=true", "nothing to recompute");
  refused("ridge", "regularize.gradient_norm=1", "use inner.solver=rbf_ridge");
  refused("prototypes", "regularize.information=1", "use inner.solver=rbf_ridge");
}

}  // namespace
}  // namespace metatape
