#include "meta/method/method.h"

#include <gtest/gtest.h>

#include <cmath>

#include "meta/adapt/gradient_steps.h"
#include "meta/combine/combination.h"
#include "meta/outer/meta_gradient.h"
#include "meta/outer/query_loss.h"
#include "models/mlp.h"
#include "tests/meta/small_problem.h"
#include "tests/support/compare.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

/// An inner loop of `count` steps.
struct Steps : GradientStepOptions {
  std::int64_t count = 1;

  Method method() const {
    return {.adaptation = make_gradient_steps(*this),
            .query_loss = make_last_step_loss(),
            .regularizers = {},
            .meta_gradient = make_differentiated(),
            .combination = make_mean(),
            .steps = count,
            .test_steps = count};
  }
};

constexpr std::int64_t kTasks = 3, kPoints = 4;

/// A small regression with three tasks.
struct Problem : SmallProblem {
  Problem()
      : SmallProblem(make_mlp({.inputs = 2, .outputs = 1, .hidden = {3}}), regression_objective()) {
    const Shape x = Shape{kPoints, 2}.with_tasks(kTasks), y = Shape{kPoints, 1}.with_tasks(kTasks);
    episode = {draw(x), draw(y), draw(x), draw(y)};
  }

  std::vector<ParamSet> adapt_by(const Steps& a) {
    return make_gradient_steps(a)->learn(own_batch(), a.count).trajectory.phi;
  }
  MetaStep meta_step(const Steps& a) { return record_meta_step(a.method(), batch()); }
};

Steps steps(std::int64_t count, bool exact = true, Adapted adapted = Adapted::all) {
  return {{.adapted = adapted, .exact = exact, .lr = 0.1}, count};
}

// ---- the inner loop ----------------------------------------------------------------------------

TEST(Adapt, ChangesTheParametersThatTheMethodNames) {
  for (const auto& [adapted, changes_body, changes_head] : {std::tuple(Adapted::all, true, true),
                                                            {Adapted::head, false, true},
                                                            {Adapted::body, true, false}}) {
    Problem p;
    const std::vector<ParamSet> phi = p.adapt_by(steps(2, true, adapted));
    ASSERT_EQ(phi.size(), 3u);
    for (std::size_t i = 0; i < p.theta.size(); ++i) {
      const auto& entry = p.theta.entries()[i];
      const bool changes = entry.group == "head" ? changes_head : changes_body;
      for (std::size_t k = 1; k < phi.size(); ++k) {
        const Values before = p.s.run(phi[k - 1].entries()[i].value);
        const Values after = p.s.run(phi[k].entries()[i].value);
        EXPECT_EQ(before != after, changes) << entry.name << ", step " << k;
      }
    }
  }
}

TEST(Adapt, StepsAgainstTheGradientOfTheSupportLoss) {
  for (const bool exact : {true, false}) {
    Problem p;
    const std::vector<ParamSet> phi = p.adapt_by(steps(3, exact));
    for (std::size_t k = 0; k + 1 < phi.size(); ++k) {
      const Var loss =
          mean_squared_error(p.model.forward(phi[k], p.episode.support_x), p.episode.support_y);
      expect_all_near(p.run(phi[k + 1]), p.run(phi[k] - 0.1 * grad(loss, phi[k])),
                      tolerance::kExactForms, "phi");
    }
  }
}

TEST(Adapt, GivesTasksTheirOwnParameters) {
  Problem p;
  const Values head = p.s.run(p.adapt_by(steps(1)).back()["head.weight"]);
  ASSERT_EQ(head.size(), std::size_t(3 * kTasks));
  EXPECT_NE(Values(head.begin(), head.begin() + 3), Values(head.begin() + 3, head.begin() + 6));
}

TEST(Adapt, OfNoStepsIsTheStart) {
  Problem p;
  EXPECT_EQ(p.adapt_by(steps(0)).size(), 1u);
  const MetaStep step = p.meta_step(steps(0));
  const Var loss =
      mean_squared_error(p.model.forward(p.theta, p.episode.query_x), p.episode.query_y);
  EXPECT_EQ(p.s.run(step.loss), p.s.run(loss));
}

// ---- the meta-gradient -------------------------------------------------------------------------

TEST(MetaStep, OfFirstOrderIsTheGradientAtTheAdaptedParameters) {
  for (const Adapted adapted : {Adapted::all, Adapted::head, Adapted::body}) {
    Problem p;
    const ParamSet phi = p.adapt_by(steps(3, false, adapted)).back();
    std::vector<Var> values;
    for (const Tensor& t : p.s.run_all(phi.values()))
      values.push_back(p.s.value(t.shape(), t.values()));
    const ParamSet reached = phi.with_values(values);  // numbers: nothing remembers the way there
    const Var loss =
        mean_squared_error(p.model.forward(reached, p.episode.query_x), p.episode.query_y);
    expect_all_near(p.run(p.meta_step(steps(3, false, adapted)).task_gradient),
                    p.run(grad(loss, reached)), tolerance::kExactForms, "task gradient");
  }
}

TEST(MetaStep, OfExactOrderDiffersAtTheSameLoss) {
  for (const Adapted adapted : {Adapted::all, Adapted::head, Adapted::body}) {
    Problem p;
    const MetaStep exact = p.meta_step(steps(2, true, adapted));
    const MetaStep first = p.meta_step(steps(2, false, adapted));
    EXPECT_EQ(p.s.run(exact.loss), p.s.run(first.loss));
    EXPECT_NE(p.run(exact.task_gradient), p.run(first.task_gradient));
  }
}

TEST(MetaStep, ReachesParametersThatTheInnerLoopLeavesAlone) {
  for (const Adapted adapted : {Adapted::head, Adapted::body}) {
    Problem p;
    const MetaStep step = p.meta_step(steps(1, true, adapted));
    for (const auto& entry : step.task_gradient.entries()) {
      const Values gradient = p.s.run(entry.value);
      EXPECT_TRUE(std::ranges::any_of(gradient, [](double g) { return g != 0; })) << entry.name;
    }
  }
}

TEST(MetaStep, KeepsItsBitsWhenItComputesStepsAgain) {
  Problem p;
  Steps a = steps(3);
  const Values kept = p.run(p.meta_step(a).task_gradient);
  a.recompute = true;
  EXPECT_EQ(p.run(p.meta_step(a).task_gradient), kept);
}

TEST(MetaStep, NamesItsPartsForMessages) {
  Problem p;
  const Var loss = p.meta_step(steps(2)).loss;
  EXPECT_EQ(p.s.tape.scope_name(p.s.tape.at(loss.id).scope), "query");
  std::vector<std::string> scopes;
  for (int id = 0; id < p.s.tape.size(); ++id)
    scopes.push_back(p.s.tape.scope_name(p.s.tape.at(id).scope));
  for (const char* name : {"inner/0", "inner/1", "meta_gradient"})
    EXPECT_NE(std::ranges::find(scopes, name), scopes.end()) << name;
}

TEST(MetaStep, CombinesTasksByTheirMean) {
  Problem p;
  const ParamSet tasks = p.meta_step(steps(1)).task_gradient;
  const Values per_task = p.s.run(tasks["head.weight"]);
  Values mean(3);
  for (std::size_t i = 0; i < per_task.size(); ++i) mean[i % 3] += per_task[i] / kTasks;
  expect_all_near(p.s.run(make_mean()->combine(tasks)["head.weight"]), mean, tolerance::kExactForms,
                  "mean");
}

TEST(AdaptationCurve, GoesFromTheStartToTheLossOfTheMetaStep) {
  Problem p;
  const AdaptationCurve curve = record_adaptation_curve(steps(3).method(), p.batch());
  ASSERT_EQ(curve.loss.size(), 4u);
  ASSERT_EQ(curve.score.size(), 4u);
  EXPECT_EQ(p.s.run(curve.loss[0]), p.s.run(p.meta_step(steps(0)).loss));
  EXPECT_EQ(p.s.run(curve.loss[2]), p.s.run(p.meta_step(steps(2)).loss));
  EXPECT_EQ(p.s.run(curve.loss[3]), p.s.run(p.meta_step(steps(3)).loss));
}

// ---- objectives --------------------------------------------------------------------------------

TEST(Objective, OfClassesIsCrossEntropyAndAccuracy) {
  Sandbox s;
  const Objective o = classification_objective();
  const Var logits = s.value({2, 3}, {0, 0, std::log(2.0), 5, 0, 0});
  const Var labels = s.value({2}, {2, 1}, DType::i32);
  const Values expected{(std::log(2.0) + std::log(std::exp(5.0) + 2)) / 2};
  expect_all_near(s.run(o.loss(logits, labels)), expected, tolerance::kExactForms, "loss");
  EXPECT_EQ(s.run(o.score(logits, labels)), Values{0.5});
}

TEST(Objective, OfNumbersIsTheMeanSquaredErrorTwice) {
  Sandbox s;
  const Objective o = regression_objective();
  const Var predicted = s.value({2, 1}, {1, 4}), target = s.value({2, 1}, {0, 1});
  EXPECT_EQ(s.run(o.loss(predicted, target)), Values{5});
  EXPECT_EQ(s.run(o.score(predicted, target)), Values{5});
}

}  // namespace
}  // namespace metatape
