#include <algorithm>
#include <numeric>

#include "engine/autodiff.h"
#include "tests/meta/closed_form_case.h"

namespace metatape {
namespace {

constexpr double kMargin = 0.1;
constexpr std::int64_t kSteps = 100;

/// Z Z' + I.
Plain gram_of(const Plain& z) {
  Plain gram = product(z, transposed(z));
  for (std::int64_t i = 0; i < z.rows; ++i) gram(i, i) += 1;
  return gram;
}

/// The nearest matrix with rows that sum to 0 and entries of at most C y: a_im = min(x_im - t_i,
/// C y_im), the shift t_i by bisection.
Plain projected(const Plain& x, const Plain& y) {
  Plain a = x;
  for (std::int64_t i = 0; i < x.rows; ++i) {
    double low = -1e3, high = 1e3;
    for (int k = 0; k < 100; ++k) {
      const double shift = (low + high) / 2;
      double total = 0;
      for (std::int64_t m = 0; m < x.columns; ++m)
        total += a(i, m) = std::min(x(i, m) - shift, kMargin * y(i, m));
      (total > 0 ? low : high) = shift;
    }
  }
  return a;
}

/// One step of projected gradient descent: a solution is where it does not move.
Plain stepped(const Plain& a, const Plain& gram, const Plain& y, double size) {
  Plain x = product(gram, a);
  for (std::size_t i = 0; i < x.v.size(); ++i) x.v[i] = a.v[i] - size * (x.v[i] - y.v[i]);
  return projected(x, y);
}

/// Projected gradient descent, until it rests.
Plain long_run(const Plain& gram, const Plain& y) {
  double trace = 0;
  for (std::int64_t i = 0; i < gram.rows; ++i) trace += gram(i, i);
  Plain a = zeros(y.rows, y.columns);
  for (int k = 0; k < 3000; ++k) a = stepped(a, gram, y, 1 / trace);
  return a;
}

struct Dual {
  std::int64_t n, classes;
  Plain z{n, 5, random_values(n * 5, 4)}, y = one_hot(n, classes);

  Sandbox s = {};
  Var z_value = s.value({n, 5}, z.v);
  SvmDual solution =
      solve_svm_dual(with_ridge(matmul(z_value, z_value, {.transpose_b = true}), s.scalar(1)),
                     s.value({n, classes}, y.v), kMargin, kSteps);
};

TEST(SvmDual, SatisfiesItsOptimalityConditions) {
  for (const auto& [n, classes] : {std::pair<std::int64_t, std::int64_t>{3, 3}, {8, 4}, {10, 5}}) {
    Dual d{n, classes};
    const Plain a{n, classes, d.s.run(d.solution.coefficients)};
    expect_all_near(a.v, stepped(a, gram_of(d.z), d.y, 1).v, tolerance::kOptimality, "A");
    EXPECT_LE(d.s.run(d.solution.distance)[0], tolerance::kOptimality);
  }
}

TEST(SvmDual, EqualsALongRunOfProjectedGradientDescent) {
  for (const auto& [n, classes] : {std::pair<std::int64_t, std::int64_t>{3, 3}, {8, 4}}) {
    Dual d{n, classes};
    expect_all_near(d.s.run(d.solution.coefficients), long_run(gram_of(d.z), d.y).v,
                    tolerance::kOptimality, "A");
  }
}

TEST(SvmDual, HasTheDerivativeOfTheSolution) {
  Dual d{8, 4};
  const Plain gram = gram_of(d.z), a = long_run(gram, d.y);
  const Plain gradient = product(gram, a);
  std::int64_t at_bound = 0;
  for (std::int64_t i = 0; i < 8; ++i) {
    double free_pull = 0;  // y - gram a is the same at all free entries of a row
    for (std::int64_t m = 0; m < 4; ++m)
      if (kMargin * d.y(i, m) - a(i, m) > 1e-4) free_pull = d.y(i, m) - gradient(i, m);
    for (std::int64_t m = 0; m < 4; ++m) {
      const double slack = kMargin * d.y(i, m) - a(i, m);
      const double multiplier = d.y(i, m) - gradient(i, m) - free_pull;
      at_bound += slack < 1e-4;
      ASSERT_GT(std::max(slack, multiplier), 1e-4) << "strict complementarity";
    }
  }
  ASSERT_GT(at_bound, 8);
  ASSERT_LT(at_bound, 8 * 3);

  const Plain form{8, 4, random_values(32, 6)};
  const Var loss = sum(d.solution.coefficients * d.s.value({8, 4}, form.v));
  const Values derivative = d.s.run(grad(loss, {&d.z_value, 1})[0]);
  constexpr double kStep = 1e-5;
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Values direction = random_values(d.z.rows * d.z.columns, seed);
    const auto form_at = [&](double step) {
      Plain moved = d.z;
      for (std::size_t i = 0; i < moved.v.size(); ++i) moved.v[i] += step * direction[i];
      const Values solution = long_run(gram_of(moved), d.y).v;
      return std::inner_product(solution.begin(), solution.end(), form.v.begin(), 0.0);
    };
    const double difference = (form_at(kStep) - form_at(-kStep)) / (2 * kStep);
    const double along =
        std::inner_product(derivative.begin(), derivative.end(), direction.begin(), 0.0);
    expect_all_near(Values{along}, Values{difference}, tolerance::kMetaGradient, "d <form, A>");
  }
}

TEST(Svm, PredictsByItsCoefficients) {
  const Plain z{6, 4, random_values(24, 1)}, query{2, 4, random_values(8, 2)};
  FeatureTask t({6, 4}, z.v, 3, {2, 4}, query.v);
  Values expected = product(product(query, transposed(z)), long_run(gram_of(z), one_hot(6, 3))).v;
  for (double& f : expected) f *= 2;
  expect_all_near(t.predictions(*make_svm({.scale = 2, .margin = kMargin})), expected,
                  tolerance::kOptimality, "logits");
}

TEST(Svm, HasTheMetaGradientOfItsOuterLoss) {
  for (const std::int64_t shots : {1, 2}) {
    SCOPED_TRACE(shots);
    OuterObjective o(method_of(make_svm({.scale = 3, .qp_steps = 200})), shots);
    o.expect_exact();
  }
}

TEST(Svm, ReportsHowFarItsIterationsWereFromTheSolution) {
  OuterObjective few(method_of(make_svm({.qp_steps = 2})), 2);
  OuterObjective many(method_of(make_svm({.qp_steps = 200})), 2);
  ASSERT_EQ(few.step().diagnostics.size(), 1u);
  const Values far = few.run(few.step().diagnostics[0].value);
  const Values near = many.run(many.step().diagnostics[0].value);
  for (std::size_t i = 0; i < far.size(); ++i) {
    EXPECT_LE(near[i], tolerance::kOptimality);
    EXPECT_GT(far[i], near[i]);
  }
}

}  // namespace
}  // namespace metatape
