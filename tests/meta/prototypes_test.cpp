#include <nlohmann/json.hpp>

#include "meta/training/evaluation.h"
#include "tests/meta/closed_form_case.h"
#include "tests/meta/small_workload.h"

namespace metatape {
namespace {

TEST(Prototypes, AreClassMeansAndLogitsTheirNegatedSquaredDistances) {
  const std::int64_t n = 6, d = 2;
  const Values support = random_values(n * d, 1), query = random_values(4 * d, 2);
  FeatureTask t({n, d}, support, 3, {4, d}, query);
  Values expected;
  for (std::int64_t q = 0; q < 4; ++q)
    for (std::int64_t c = 0; c < 3; ++c) {
      double distance = 0;
      for (std::int64_t j = 0; j < d; ++j) {
        const double mean =
            (support[std::size_t(c * d + j)] + support[std::size_t((c + 3) * d + j)]) / 2;
        distance += std::pow(query[std::size_t(q * d + j)] - mean, 2);
      }
      expected.push_back(-distance);
    }
  expect_all_near(t.predictions(*make_prototypes({})), expected, tolerance::kExactForms, "logits");
}

TEST(Prototypes, HaveTheMetaGradientOfTheirOuterLoss) {
  OuterObjective(method_of(make_prototypes({})), 2).expect_exact();
}

TEST(Prototypes, OfFirstOrderKeepTheLossAndDropTheSupportSet) {
  OuterObjective a(method_of(make_prototypes({})), 1);
  OuterObjective b(method_of(make_prototypes({.first_order = true})), 1);
  EXPECT_EQ(a.run(a.step().loss), b.run(b.step().loss));
  EXPECT_NE(a.run(a.step().task_gradient["conv1.weight"]),
            b.run(b.step().task_gradient["conv1.weight"]));
}

TEST(Prototypes, HaveOnePointOnTheAdaptationCurve) {
  FeatureTask t({3, 2}, random_values(6, 1), 3, {3, 2}, random_values(6, 2));
  t.episode.query_y = t.episode.support_y;
  Method method = method_of(make_prototypes({}));
  method.test_steps = 5;
  EXPECT_EQ(record_adaptation_curve(method, t.batch()).loss.size(), 1u);
}

TEST(ClosedForm, IsEvaluatedAtItsOnePoint) {
  Workload w = image_workload();
  w.config.inner.solver = "prototypes";
  w.config.inner.test_steps = 3;
  w.model = with_method_parameters(w.model, compose(w.config));
  StateStore store = initial_state(w);
  const Evaluation e = evaluate(w.config, w.model, *w.training, store, 6, {});
  ASSERT_EQ(e.loss_by_step.size(), 1u);
  EXPECT_EQ(e.loss_by_step[0], e.loss.mean);
  EXPECT_GT(e.loss.mean, 0);
  EXPECT_EQ(to_json(e, w.config, "train")["inner_steps"], 0);
}

}  // namespace
}  // namespace metatape
