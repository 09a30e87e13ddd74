#include "meta/outer/displacement.h"

#include "meta/outer/schedule.h"
#include "tests/meta/meta_gradient_check.h"
#include "tests/meta/scalar_problem.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

Method reptile(GradientStepOptions o, std::int64_t steps) {
  Method m = gradient_method(o, steps);
  m.meta_gradient = make_displacement();
  return m;
}

TEST(Displacement, HasTheGoldenValue) {
  ScalarProblem p;
  const MetaStep step = p.record(reptile({.exact = false, .lr = ScalarProblem::kLr}, 3));
  EXPECT_NEAR(p.s.run(step.task_gradient["phi"]).at(0) / ScalarProblem::kLr, -2.44,
              tolerance::kGolden);
}

TEST(Displacement, IsTheSumOfTheInnerStepsOfEachTask) {
  ImageProblem p(4);
  const GradientStepOptions o{.exact = false, .lr = 0.1, .ways = ImageProblem::kWays, .batch = 2};
  const MetaStep step = p.record(reptile(o, 3));
  const TaskBatch tasks = p.batch();
  const Learned learned = make_gradient_steps(o)->learn(tasks, 3);
  const auto& g = learned.trajectory.gradient;
  for (const char* name : {"conv1.weight", "head.bias"})
    expect_all_near(p.s.run(step.task_gradient[name]),
                    p.s.run(0.1 * (g[0][name] + g[1][name] + g[2][name])), tolerance::kExactForms,
                    name);
}

TEST(Displacement, OfAMethodWithoutStepsIsRefused) {
  ScalarProblem p;
  expect_error(ErrorKind::usage, "the method takes none", [&] { p.record(reptile({}, 0)); });
}

/// Two steps of Adam without momentum, by hand: the first is lr sign(g).
TEST(InnerAdam, StepsByTheRootOfTheSecondMoment) {
  ScalarProblem p;
  const GradientStepOptions o{.exact = false, .lr = 0.1, .optimizer = InnerOptimizer::adam};
  const MetaStep step = p.record(reptile(o, 2));
  const double g0 = 2 * (0.5 - 1), phi1 = 0.5 + 0.1 / (1 + 1e-8), g1 = 2 * (phi1 - 1);
  const double v = (0.999 * 0.001 * g0 * g0 + 0.001 * g1 * g1) / (1 - 0.999 * 0.999);
  const double phi2 = phi1 - 0.1 * g1 / (std::sqrt(v) + 1e-8);
  EXPECT_NEAR(p.s.run(step.task_gradient["phi"]).at(0), 0.5 - phi2, tolerance::kExactForms);
}

TEST(InnerAdam, StaysWhereTheGradientIsZero) {
  ScalarProblem p;
  const GradientStepOptions o{.exact = false, .lr = 0.1, .optimizer = InnerOptimizer::adam};
  const Method method = reptile(o, 2);
  TaskBatch tasks = p.batch(method);
  const Var minimum = p.s.value({1}, {1});  // of the support loss
  tasks.theta = tasks.theta.with_values({&minimum, 1});
  EXPECT_EQ(p.s.run(record_meta_step(method, tasks).task_gradient["phi"]), Values{0});
}

TEST(Schedule, GoesFromTheFirstToTheLastStepSize) {
  Sandbox s;
  const auto at = [&](Schedule schedule, double t) {
    return s.run(scheduled(schedule, s.scalar(1), s.scalar(t), 100, 0.2)).at(0);
  };
  for (const Schedule schedule : {Schedule::linear, Schedule::cosine}) {
    EXPECT_NEAR(at(schedule, 0), 1, tolerance::kExactForms);
    EXPECT_NEAR(at(schedule, 50), 0.6, tolerance::kExactForms);
    EXPECT_NEAR(at(schedule, 100), 0.2, tolerance::kExactForms);
  }
  EXPECT_NEAR(at(Schedule::linear, 25), 0.8, tolerance::kExactForms);
  EXPECT_NEAR(at(Schedule::cosine, 25), 0.6 + 0.4 * std::sqrt(0.5), tolerance::kExactForms);
  EXPECT_EQ(at(Schedule::constant, 70), 1);
}

}  // namespace
}  // namespace metatape
