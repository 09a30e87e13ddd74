#include <algorithm>

#include "meta/adapt/kernel_width.h"
#include "meta/data/sinusoid_episodes.h"
#include "meta/regularize/kernel_terms.h"
#include "tests/meta/closed_form_case.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

constexpr ClosedFormOptions kOptions{.lambda = 0.1, .sigma = 1, .scale = 1};

/// X = (0, 1), Y = (1, 0), sigma = 1, lambda = 0.1, query 0.25.
FeatureTask golden_task() { return {{2, 1}, {0, 1}, Values{1, 0}, {1, 1}, {0.25}}; }

Var one_value(FeatureTask& t, const Regularizer& r) {
  return r.penalty(t.batch(), make_rbf_ridge(kOptions)->learn(t.batch(), 1));
}

TEST(RbfRidge, HasTheGoldenCoefficientsAndPrediction) {
  FeatureTask t = golden_task();
  const Learned learned = make_rbf_ridge(kOptions)->learn(t.batch(), 1);
  expect_all_near(t.s.run(learned.kernel->coefficients), Values{1.3062263, -0.7202420},
                  tolerance::kGolden, "alpha");
  expect_all_near(t.s.run(learned.predict(0, t.episode.query_x)), Values{0.7223707},
                  tolerance::kGolden, "f(0.25)", 1);
}

TEST(RbfRidge, SolvesItsSystemForCentredTargets) {
  const std::int64_t n = 6, d = 4;
  const Values x = random_values(n * d, 1);
  FeatureTask t({n, d}, x, 3, {2, d}, random_values(2 * d, 2));
  const ClosedFormOptions options{.lambda = 0.2, .sigma = 1.5, .scale = 3};
  const Learned learned = make_rbf_ridge(options)->learn(t.batch(), 1);
  const Plain a{n, 3, t.s.run(learned.kernel->coefficients)};
  Plain left = a, targets = one_hot(n, 3);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < 3; ++c) {
      targets(i, c) -= 1.0 / 3;
      left(i, c) *= options.lambda;
      for (std::int64_t j = 0; j < n; ++j) {
        double distance = 0;
        for (std::int64_t k = 0; k < d; ++k)
          distance += std::pow(x[std::size_t(i * d + k)] - x[std::size_t(j * d + k)], 2);
        left(i, c) += std::exp(-distance / (2 * 1.5 * 1.5)) * a(j, c);
      }
    }
  expect_all_near(left.v, targets.v, tolerance::kOptimality, "(K + lambda I) A");
}

TEST(RbfRidge, OfAWideKernelIsAtChance) {
  const Values x = random_values(6 * 4, 1);
  FeatureTask t({6, 4}, x, 3, {2, 4}, random_values(8, 2));
  const auto wide = make_rbf_ridge({.lambda = 0.2, .sigma = 1e5});
  for (double f : t.predictions(*wide)) EXPECT_NEAR(f, 0, tolerance::kOptimality);
  Values expected = one_hot(6, 3).v;  // K = 11' and balanced targets: A = Y / lambda
  for (double& y : expected) y = (y - 1.0 / 3) / 0.2;
  expect_all_near(t.s.run(wide->learn(t.batch(), 1).kernel->coefficients), expected,
                  tolerance::kOptimality, "A");
}

TEST(RbfRidge, OfANarrowKernelPredictsNothingBesideTheSupportSet) {
  const Values x = random_values(6 * 4, 1);
  FeatureTask t({6, 4}, x, 3, {2, 4}, random_values(8, 2));
  const auto narrow = make_rbf_ridge({.lambda = 0.2, .sigma = 1e-3});
  expect_all_zero(t.predictions(*narrow), "f");
  Values expected = one_hot(6, 3).v;  // K = I
  for (double& y : expected) y = (y - 1.0 / 3) / 1.2;
  expect_all_near(t.s.run(narrow->learn(t.batch(), 1).kernel->coefficients), expected,
                  tolerance::kExactForms, "A");
}

TEST(RbfRidge, OfARepeatedExampleFollowsTheJitterRule) {
  FeatureTask t({3, 1}, {1, 1, 2}, 3, {2, 1}, {1.2, 1.8});
  const Var f =
      make_rbf_ridge({.lambda = 1e-30})->learn(t.batch(), 1).predict(0, t.episode.query_x);
  const Program program = compile(t.s.tape, {.fetch = {f}});
  CpuExecutor executor(program, t.s.store);
  executor.run();
  ASSERT_EQ(executor.warnings().size(), 1u);
  for (double v : executor.fetch(0).values()) EXPECT_TRUE(std::isfinite(v));
}

TEST(RbfRidge, HasTheMetaGradientOfItsOuterLoss) {
  for (const std::int64_t shots : {1, 2}) {
    SCOPED_TRACE(shots);
    OuterObjective(method_of(make_rbf_ridge({.lambda = 0.1, .sigma = 0.8, .scale = 5})), shots)
        .expect_exact();
  }
}

TEST(RbfRidge, HasTheMetaGradientOfItsRegularisedLoss) {
  for (const Information kind : {Information::gain, Information::capacity, Information::mutual})
    OuterObjective(
        method_of(make_rbf_ridge({.lambda = 0.1, .sigma = 0.8, .scale = 5}),
                  {make_functional_gradient_term(2, -1), make_information_term(1, kind)}),
        1)
        .expect_exact();
}

TEST(RbfRidge, OfFirstOrderLearnsThroughTheKernelOfTheQueriesAlone) {
  ClosedFormOptions first = kOptions;
  first.first_order = true;
  OuterObjective a(method_of(make_rbf_ridge(kOptions)), 1), b(method_of(make_rbf_ridge(first)), 1);
  EXPECT_EQ(a.run(a.step().loss), b.run(b.step().loss));
  const ParamSet& gradient = b.step().task_gradient;
  expect_all_zero(b.run(gradient["rbf_ridge.log_lambda"]), "lambda");
  EXPECT_NE(a.run(a.step().task_gradient["rbf_ridge.log_lambda"])[0], 0);
  EXPECT_NE(a.run(a.step().task_gradient["rbf_ridge.log_scale"])[0], 0);
  EXPECT_NE(b.run(gradient["rbf_ridge.log_sigma"])[0], 0);
  EXPECT_NE(a.run(a.step().task_gradient["rbf_ridge.log_sigma"]),
            b.run(gradient["rbf_ridge.log_sigma"]));
}

TEST(RbfRidge, StartsFromTheMedianDistanceOfTheFirstBatch) {
  FeatureTask identity({2, 1}, {0, 0}, Values{0, 0}, {1, 1}, {0});
  const SinusoidEpisodes source({.shots = 4, .queries = 1, .seed = 3});
  EpisodeBatch batch;
  source.draw(0, 0, 2, batch);
  Values squares;  // of the 6 pairs in each of the 2 tasks
  for (std::size_t task = 0; task < 2; ++task)
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t j = 0; j < i; ++j)
        squares.push_back(
            std::pow(double(batch.support_x[4 * task + i]) - batch.support_x[4 * task + j], 2));
  std::sort(squares.begin(), squares.end());
  StateStore none;
  const double sigma = median_kernel_width(identity.model, source, 2, none);
  expect_all_near(Values{sigma}, Values{std::sqrt(squares[6] / 2)}, tolerance::kExactForms,
                  "sigma");
}

// ---- terms of the AMFS objective ---------------------------------------------------------------

TEST(FunctionalGradientTerm, IsTheNormOfTheResidualsInTheSpaceOfTheKernel) {
  FeatureTask t = golden_task();
  const double k = std::exp(-0.5), a0 = 1.3062263, a1 = -0.7202420;
  const double r0 = a0 + k * a1 - 1, r1 = k * a0 + a1;  // f(X) - Y
  const double norm = (r0 * r0 + 2 * k * r0 * r1 + r1 * r1) / 4;
  for (const double sign : {-1.0, 1.0})
    expect_all_near(t.s.run(one_value(t, *make_functional_gradient_term(3, sign))),
                    Values{3 * sign * norm}, tolerance::kGolden, "mu term", 1);
}

TEST(InformationTerm, HasThreeReadings) {
  FeatureTask t = golden_task();
  const double k = std::exp(-0.5), a0 = 1.3062263, a1 = -0.7202420;
  const double determinant = 11.0 * 11.0 - 100 * k * k;  // of I + K / 0.1
  expect_all_near(t.s.run(one_value(t, *make_information_term(2, Information::gain))),
                  Values{2 * std::log(determinant) / 4}, tolerance::kGolden, "gain");
  expect_all_near(t.s.run(one_value(t, *make_information_term(2, Information::capacity))),
                  Values{2 * (a0 * a0 + 2 * k * a0 * a1 + a1 * a1)}, tolerance::kGolden,
                  "capacity");
  // Two queries with p = (e, 1) / (e + 1) and its mirror image.
  Learned learned;
  learned.predict = [](std::int64_t, Var x) { return x; };
  FeatureTask two({2, 2}, {0, 0, 0, 0}, 2, {2, 2}, {1, 0, 0, 1});
  const double p = std::exp(1) / (std::exp(1) + 1);
  const double entropy = -p * std::log(p) - (1 - p) * std::log(1 - p);
  expect_all_near(
      two.s.run(make_information_term(2, Information::mutual)->penalty(two.batch(), learned)),
      Values{2 * (std::log(2) - entropy)}, tolerance::kExactForms, "mutual information");
}

TEST(InformationTerm, OfAKernelNeedsOne) {
  FeatureTask t = golden_task();
  expect_error(ErrorKind::usage, "use inner.solver=rbf_ridge",
               [&] { make_information_term(1, Information::gain)->penalty(t.batch(), Learned{}); });
}

}  // namespace
}  // namespace metatape
