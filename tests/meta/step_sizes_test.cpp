#include "meta/adapt/step_sizes.h"

#include "meta/adapt/support_batches.h"
#include "tests/meta/meta_gradient_check.h"
#include "tests/meta/scalar_problem.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

GradientStepOptions scalar_steps() { return {.lr = ScalarProblem::kLr, .ways = 1}; }

TEST(StepSizes, OfElementsHaveTheGoldenDerivative) {
  ScalarProblem p;
  GradientStepOptions o = scalar_steps();
  o.rates = Rates::per_element;
  const MetaStep step = p.record(gradient_method(o, 1));
  EXPECT_NEAR(p.s.run(step.task_gradient["inner_rate.phi"]).at(0), 4.8, tolerance::kGolden);
  EXPECT_NEAR(p.s.run(step.task_gradient["phi"]).at(0), 3.84, tolerance::kGolden);
}

TEST(StepSizes, AreDeclaredForAdaptedParametersAlone) {
  const Model model = make_conv4({.height = 16, .width = 16, .classes = 3, .filters = 2});
  for (const auto& [rates, shape] :
       {std::pair(Rates::per_element, Shape{3, 2}), {Rates::per_layer_step, Shape{4}}}) {
    const auto parameters =
        make_gradient_steps({.adapted = Adapted::head, .rates = rates, .trained_steps = 4})
            ->parameters(model);
    ASSERT_EQ(parameters.size(), 2u);
    EXPECT_EQ(parameters[0].name, "inner_rate.head.weight");
    EXPECT_EQ(parameters[0].group, parameter_group::kMethod);
    EXPECT_EQ(parameters[0].shape, shape);
    EXPECT_EQ(parameters[0].init.scale, 0.4);
  }
  EXPECT_TRUE(make_gradient_steps({})->parameters(model).empty());
}

TEST(StepSizes, OfStepsAreOneForEachAndTheLastBeyond) {
  Sandbox s;
  const StepSizes sizes{.rates = Rates::per_layer_step, .lr = 1, .steps = 2};
  ParamSet theta;
  theta.add("inner_rate.w", parameter_group::kMethod, s.value({2}, {3, 5}));
  const Var g = s.value({2}, {1, -2});
  EXPECT_EQ(s.run(sizes.scale(theta, "w", 0, g)), (Values{3, -6}));
  EXPECT_EQ(s.run(sizes.scale(theta, "w", 1, g)), (Values{5, -10}));
  EXPECT_EQ(s.run(sizes.scale(theta, "w", 7, g)), (Values{5, -10}));
}

TEST(StepSizes, AndNormsOfStepsHaveTheirMetaGradient) {
  for (const Rates rates : {Rates::fixed, Rates::per_element, Rates::per_layer_step})
    for (const bool norms : {false, true}) {
      SCOPED_TRACE(testing::Message() << "rates " << int(rates) << ", norms " << norms);
      ImageProblem p;
      p.expect_gradient_of(
          p.record(gradient_method({.lr = 0.1, .rates = rates, .per_step_norm = norms}, 2)));
    }
}

TEST(StepNorms, TakeThePlaceOfTheModelsAndAreNotAdapted) {
  ImageProblem p;
  const MetaStep step = p.record(gradient_method({.lr = 0.1, .per_step_norm = true}, 2));
  expect_all_zero(p.s.run(step.task_gradient["bn1.weight"]), "gradient of the model's own scale");
  const Values own = p.s.run(step.task_gradient["step_norm.bn1.weight"]);
  ASSERT_EQ(own.size(), std::size_t(2 * 2 * ImageProblem::kTasks));
  for (double g : own) EXPECT_NE(g, 0);
}

TEST(ContextSteps, HaveTheirMetaGradient) {
  ImageProblem p(1, 3);
  p.expect_gradient_of(p.record(gradient_method({.adapted = Adapted::context, .lr = 1}, 2)));
}

// ---- batches of the support set ----------------------------------------------------------------

TEST(SupportBatch, GoesRoundTheShotsOfEachClass) {
  Sandbox s;
  const Shape shape = Shape{6}.with_tasks(2);
  const Values first_task{0, 1, 2, 10, 11, 12}, labels{0, 0, 0, 1, 1, 1};
  Values x = first_task, y = labels;
  for (int i = 0; i < 6; ++i) x.push_back(first_task[std::size_t(i)] + 100);
  y.insert(y.end(), labels.begin(), labels.end());
  const EpisodeVars episode{.support_x = reshape(s.value(shape, x), {6, 1}),
                            .support_y = s.value(shape, y, DType::i32),
                            .query_x = {},
                            .query_y = {}};
  const Values expected[] = {{0, 1, 10, 11, 100, 101, 110, 111},
                             {2, 0, 12, 10, 102, 100, 112, 110},
                             {1, 2, 11, 12, 101, 102, 111, 112},
                             {0, 1, 10, 11, 100, 101, 110, 111}};
  for (std::int64_t k = 0; k < 4; ++k) {
    const Examples batch = support_batch(episode, 2, 2, k);
    EXPECT_EQ(s.run(batch.x), expected[k]) << k;
    EXPECT_EQ(s.run(batch.y), (Values{0, 0, 1, 1, 0, 0, 1, 1})) << k;
  }
  for (const std::int64_t all : {0, 3, 5})
    EXPECT_EQ(s.run(support_batch(episode, 2, all, 1).x), x) << all;
}

}  // namespace
}  // namespace metatape
