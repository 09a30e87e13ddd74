#include "meta/regularize/trajectory.h"

#include "meta/programs/consistency.h"
#include "meta/regularize/amplitude.h"
#include "tests/meta/meta_gradient_check.h"
#include "tests/meta/scalar_problem.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

/// Phase and amplitude.
Values consistencies(ScalarProblem& p, std::int64_t steps) {
  const Method method = gradient_method({.lr = ScalarProblem::kLr}, steps);
  const auto found = task_consistency(method, p.batch(method));
  EXPECT_TRUE(found);
  return {p.s.run(found->phase).at(0), p.s.run(found->amplitude).at(0)};
}

TEST(Consistency, NeedsSteps) {
  ScalarProblem p;
  const Method method = gradient_method({.lr = ScalarProblem::kLr}, 0);
  EXPECT_FALSE(task_consistency(method, p.batch(method)));
}

TEST(Trajectory, OfTheQuadraticHasTheGoldenConsistencies) {
  ScalarProblem p;
  const Values found = consistencies(p, 3);
  EXPECT_NEAR(found[0], 1, tolerance::kGolden);
  EXPECT_NEAR(found[1], 1.952 / 3, tolerance::kGolden);  // printed as 0.6506667
}

TEST(Trajectory, OfALinearLossIsConsistent) {
  ScalarProblem p;
  p.model = scalar_model(true);
  p.objective.loss = [](Var prediction, Var target) {
    return sum(prediction * slice(target, 1, 0, 1));
  };
  const Values found = consistencies(p, 4);
  EXPECT_NEAR(found[0], 1, tolerance::kExactForms);
  EXPECT_NEAR(found[1], 1, tolerance::kExactForms);
}

/// Right, up, and back a little: 3 + 4 + 1 long, and 2 and 4 away in the end.
TEST(Trajectory, KnowsTheWayFromTheDistance) {
  Sandbox s;
  Trajectory t;
  for (const Values& at : {Values{0, 0}, {3, 0}, {3, 4}, {2, 4}}) {
    ParamSet phi;
    phi.add("still", parameter_group::kHead, s.value({1}, {7}));
    phi.add("w", parameter_group::kBody, s.value({2}, at));
    t.phi.push_back(phi);
  }
  for (const Values& g : {Values{0, 2}, {4, 0}, {0, 6}}) {
    ParamSet gradient;
    gradient.add("w", parameter_group::kBody, s.value({2}, g));
    t.gradient.push_back(gradient);
  }
  EXPECT_NEAR(s.run(path_length(t)).at(0), 8, tolerance::kExactForms);
  EXPECT_NEAR(s.run(phase_consistency(t)).at(0), 8 / std::sqrt(20.0), tolerance::kExactForms);
  EXPECT_NEAR(s.run(amplitude_consistency(t, t.gradient[1])).at(0), (2 + 3 + 2) / 3.0,
              tolerance::kExactForms);
  const Var amplitude = straight_amplitude(t);
  EXPECT_NEAR(s.run(amplitude).at(0), 4, tolerance::kExactForms);
  const ParamSet straight = straight_step(t, amplitude);
  expect_all_near(s.run(straight["w"]), Values{0, -8}, tolerance::kExactForms, "straight");
  EXPECT_EQ(s.run(straight["still"]), Values{7});
}

TEST(AmplitudeLoss, IsTheGoldenLength) {
  ScalarProblem p;
  Method m = gradient_method({.lr = ScalarProblem::kLr}, 3);
  m.regularizers = {make_amplitude_loss(0.5)};
  const MetaStep step = p.record(m);
  EXPECT_NEAR(p.s.run(step.outer_loss - step.loss).at(0), 0.5 * 0.244, tolerance::kGolden);
}

TEST(AmplitudeLoss, HasItsMetaGradientAndOneWhereNothingMoves) {
  ImageProblem p;
  Method m = gradient_method({.lr = 0.1}, 2);
  m.regularizers = {make_amplitude_loss(0.3)};
  p.expect_gradient_of(p.record(m));

  ScalarProblem still;
  Method none = gradient_method({.lr = 0}, 2);
  none.regularizers = {make_amplitude_loss(0.3)};
  EXPECT_NEAR(still.s.run(still.record(none).task_gradient["phi"]).at(0), 4.5, tolerance::kGolden);
}

TEST(AmplitudeLoss, OfAMethodWithoutStepsIsRefused) {
  ScalarProblem p;
  Method m = gradient_method({}, 0);
  m.regularizers = {make_amplitude_loss(0.3)};
  expect_error(ErrorKind::usage, "takes no gradient steps", [&] { p.record(m); });
}

}  // namespace
}  // namespace metatape
