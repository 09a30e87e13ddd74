#include "meta/outer/multi_step_loss.h"
#include "tests/meta/meta_gradient_check.h"
#include "tests/meta/scalar_problem.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

Method weighted(GradientStepOptions o, std::int64_t steps, std::int64_t until = 100) {
  Method m = gradient_method(o, steps);
  m.query_loss = make_multi_step_loss(until);
  return m;
}

/// The rule of MAML++ for T = 5 steps, with e / E = t / 100.
TEST(MultiStepLoss, HasTheWeightsOfTheMetaStep) {
  const std::pair<double, std::pair<double, double>> cases[] = {
      {0, {0.2, 0.2}}, {50, {0.1, 0.6}}, {99, {0.006, 0.976}}, {100, {0, 1}}, {900, {0, 1}}};
  for (const auto& [t, expected] : cases) {
    Sandbox s;
    const std::vector<Var> weights = multi_step_weights(s.scalar(t), 5, 100);
    ASSERT_EQ(weights.size(), 5u);
    for (std::size_t k = 0; k < 4; ++k)
      EXPECT_NEAR(s.run(weights[k]).at(0), expected.first, tolerance::kExactForms) << t;
    EXPECT_NEAR(s.run(weights[4]).at(0), expected.second, tolerance::kExactForms) << t;
  }
}

TEST(MultiStepLoss, IsTheWeightedSumOfTheCurve) {
  ScalarProblem p;
  p.iteration = 40;
  const Method m = weighted({.lr = ScalarProblem::kLr}, 3);
  const MetaStep step = p.record(m);
  double expected = 0, phi = 0.5;
  for (int k = 1; k <= 3; ++k) {
    phi -= ScalarProblem::kLr * 2 * (phi - 1);
    expected += (k < 3 ? 0.2 : 0.6) * 1.5 * (phi + 1) * (phi + 1);
  }
  EXPECT_NEAR(p.s.run(step.outer_loss).at(0), expected, tolerance::kExactForms);
  EXPECT_NEAR(p.s.run(step.loss).at(0), 1.5 * (phi + 1) * (phi + 1), tolerance::kExactForms);
}

TEST(MultiStepLoss, OfOneStepIsTheLastStepLoss) {
  ScalarProblem p;
  EXPECT_NEAR(p.s.run(p.record(weighted({.lr = 0.1}, 1)).task_gradient["phi"]).at(0), 3.84,
              tolerance::kGolden);
}

TEST(MultiStepLoss, HasItsMetaGradient) {
  ImageProblem p;
  const GradientStepOptions o{.lr = 0.1, .rates = Rates::per_layer_step, .per_step_norm = true};
  p.expect_gradient_of(p.record(weighted(o, 2), 30));
}

TEST(MultiStepLoss, OfAMethodWithoutStepsIsRefused) {
  ScalarProblem p;
  expect_error(ErrorKind::usage, "the method takes none", [&] { p.record(weighted({}, 0)); });
}

}  // namespace
}  // namespace metatape
