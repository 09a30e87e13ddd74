#include "meta/regularize/phase.h"

#include "engine/autodiff.h"
#include "meta/regularize/trajectory.h"
#include "tests/meta/meta_gradient_check.h"
#include "tests/meta/scalar_problem.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

Method with_phase(GradientStepOptions o, std::int64_t steps, const PhaseLossOptions& phase) {
  Method m = gradient_method(o, steps);
  m.regularizers = {make_phase_loss(phase)};
  return m;
}

/// The penalty alone.
double penalty(ScalarProblem& p, const Method& m) {
  const MetaStep step = p.record(m);
  return p.s.run(step.outer_loss - step.loss).at(0);
}

TEST(PhaseLoss, OfAStraightWayIsZeroAtTheGoldenPoint) {
  ScalarProblem p;
  const Method m = with_phase({.lr = ScalarProblem::kLr}, 3, {});
  const Learned learned = m.adaptation->learn(p.batch(m), 3);
  const Trajectory& t = learned.trajectory;
  EXPECT_NEAR(p.s.run(straight_step(t, straight_amplitude(t))["phi"]).at(0), 0.744,
              tolerance::kGolden);
  EXPECT_NEAR(penalty(p, m), 0, tolerance::kGolden);
}

TEST(PhaseLoss, OfShotComparesWithTheGoldenPoint) {
  ScalarProblem p;
  const Method m =
      with_phase({.lr = ScalarProblem::kLr}, 3,
                 {.coefficient = 2, .teacher_detach = true, .fixed_lr = ScalarProblem::kLr});
  const double student = 0.8, teacher = 0.744;
  EXPECT_NEAR(penalty(p, m), (teacher - student) * (teacher - student), tolerance::kGolden);
}

TEST(PhaseLoss, OfALinearModelWithALinearLossIsZero) {
  ScalarProblem p;
  p.model = scalar_model(true);
  p.objective.loss = [](Var prediction, Var target) {
    return sum(prediction * slice(target, 1, 0, 1));
  };
  EXPECT_NEAR(penalty(p, with_phase({.lr = 0.1}, 4, {.coefficient = 1})), 0,
              tolerance::kExactForms);
}

TEST(PhaseLoss, OfClassesIsTheDivergenceFromAllSteps) {
  Sandbox s;
  const Var first = s.value({2, 2}, {0, std::log(3.0), 1, 1});
  const Var second = s.value({2, 2}, {0, 0, 5, 5});
  const double expected = (0.25 * std::log(0.5) + 0.75 * std::log(1.5)) / 2;
  EXPECT_NEAR(s.run(classification_objective().divergence(first, second)).at(0), expected,
              tolerance::kExactForms);
}

/// delta and a detached teacher are constants: the gradient is that of the loss with their numbers.
TEST(PhaseLoss, DifferentiatesBothPredictionsButNotTheAmplitude) {
  for (const bool detach : {false, true}) {
    ImageProblem p;
    const PhaseLossOptions o{.coefficient = 3, .teacher_detach = detach};
    const MetaStep step = p.record(with_phase({.lr = 0.3}, 2, o));
    const TaskBatch tasks = p.batch();
    const Learned learned = make_gradient_steps({.lr = 0.3})->learn(tasks, 2);
    const auto number = [&](Var v) { return p.s.value(v.shape(), p.s.run(v)); };
    const Var amplitude = number(straight_amplitude(learned.trajectory));
    const Var all = learned.predict(2, tasks.episode.query_x);
    const Var straight =
        predict_queries(tasks, straight_step(learned.trajectory, amplitude), tasks.episode.query_x);
    const Var loss = p.objective.loss(all, tasks.episode.query_y) +
                     3 * p.objective.divergence(detach ? number(all) : all, straight);
    const ParamSet expected = grad(loss, tasks.theta);
    for (const auto& entry : step.task_gradient.entries())
      expect_all_near(p.s.run(entry.value), p.s.run(expected[entry.name]), tolerance::kExactForms,
                      entry.name);
  }
}

/// With the amplitude fixed, nothing is detached: central differences apply.
TEST(PhaseLoss, HasItsMetaGradient) {
  for (const Adapted adapted : {Adapted::all, Adapted::head, Adapted::body}) {
    ImageProblem p;
    p.expect_gradient_of(p.record(
        with_phase({.adapted = adapted, .lr = 0.1}, 3, {.coefficient = 1, .fixed_lr = 0.1})));
  }
}

TEST(PhaseLoss, OfAMethodWithoutStepsIsRefused) {
  ScalarProblem p;
  expect_error(ErrorKind::usage, "takes no gradient steps",
               [&] { p.record(with_phase({}, 0, {})); });
}

}  // namespace
}  // namespace metatape
