// Ridge and kernel ridge regression from the catalogue's operations: golden values of a task that
// was solved by hand, and how exact distances are.

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "engine/autodiff.h"
#include "tests/support/compare.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

Var regularised(Var gram, double lambda) {
  return gram + diagonal_matrix(fill(*gram.tape, {gram.extent(-1)}, lambda, gram.dtype()));
}

// X = (1, 2), Y = (1, 0), lambda = 0.5: w = X'Y / (X'X + lambda) = 1 / 5.5.
TEST(Ridge, PrimalAndDualGiveTheGoldenWeight) {
  Sandbox s;
  const Var x = s.value({2, 1}, {1, 2}), y = s.value({2, 1}, {1, 0});
  const Elements golden{0.1818182};
  const Var primal = solve_positive_definite(regularised(matmul(x, x, {.transpose_a = true}), 0.5),
                                             matmul(x, y, {.transpose_a = true}));
  const Var alpha =
      solve_positive_definite(regularised(matmul(x, x, {.transpose_b = true}), 0.5), y);
  const Var dual = matmul(x, alpha, {.transpose_a = true});
  expect_all_near(s.run(primal), golden, tolerance::kGolden, "primal", 1);
  expect_all_near(s.run(dual), golden, tolerance::kGolden, "dual", 1);
}

// X = (0, 1), Y = (1, 0), sigma = 1, lambda = 0.1, prediction at 0.25.
TEST(KernelRidge, RbfGivesTheGoldenCoefficientsAndPrediction) {
  Sandbox s;
  const double gamma = 0.5;  // 1 / (2 sigma^2)
  const Var x = s.value({2, 1}, {0, 1}), y = s.value({2, 1}, {1, 0});
  const Var query = s.value({1, 1}, {0.25});
  const Var alpha = solve_positive_definite(regularised(rbf_gram(x, x, gamma), 0.1), y);
  const Var prediction = matmul(rbf_gram(query, x, gamma), alpha);
  expect_all_near(s.run(alpha), Elements{1.3062263, -0.7202420}, tolerance::kGolden, "alpha");
  expect_all_near(s.run(prediction), Elements{0.7223707}, tolerance::kGolden, "f(0.25)", 1);
}

/// `count` points of `dimension` around `offset` in every coordinate.
Elements points(std::int64_t count, std::int64_t dimension, double offset) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal(offset, 1);
  Elements values;
  for (std::int64_t i = 0; i < count * dimension; ++i) values.push_back(float(normal(random)));
  return values;
}

TEST(SquaredDistances, OfAValueWithItselfHaveAnExactlyZeroDiagonal) {
  Sandbox s;
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Var x = s.value({25, 64}, points(25, 64, 3), dtype);
    expect_all_zero(s.run(diagonal(squared_distances(x, x))), "diagonal");
    EXPECT_EQ(s.run(diagonal(rbf_gram(x, x, 0.01))), Elements(25, 1.0));
  }
}

TEST(SquaredDistances, AreNotBelowZeroForCloseNeighbours) {
  Sandbox s;
  const Elements x = points(25, 64, 0);
  Elements y = x;
  for (double& value : y) value = float(value * (1 + 1e-6));
  const Var d =
      squared_distances(s.value({25, 64}, x, DType::f32), s.value({25, 64}, y, DType::f32));
  for (double value : s.run(d)) EXPECT_GE(value, 0);
}

// Without the shift of the origin the squared norms would be 64 x 10^6 and their rounding 4.
TEST(SquaredDistances, DoNotLoseDigitsToACommonOffset) {
  constexpr std::int64_t kPoints = 20, kDimension = 64;
  Sandbox s;
  const Elements x = points(kPoints, kDimension, 1000);
  const Var in_f32 = s.value({kPoints, kDimension}, x, DType::f32);
  Elements expected;
  for (std::int64_t i = 0; i < kPoints; ++i)
    for (std::int64_t j = 0; j < kPoints; ++j) {
      double total = 0;
      for (std::int64_t d = 0; d < kDimension; ++d)
        total +=
            std::pow(x[std::size_t(i * kDimension + d)] - x[std::size_t(j * kDimension + d)], 2);
      expected.push_back(total);
    }
  expect_all_near(s.run(squared_distances(in_f32, in_f32)), expected, tolerance::kSingleValue,
                  "distances around 1000");
}

// The same points in two values: rounding leaves their distances around 0, on either side. The
// second derivative of the sum over all pairs is 2 x (number of pairs of a point) all the same.
TEST(SquaredDistances, KeepTheDerivativesOfCoincidingPoints) {
  Sandbox s;
  const Elements same = points(25, 7, 0.3);
  const Var x = s.value({25, 7}, same), y = s.value({25, 7}, same), v = s.value({25, 7}, same);
  const Var loss = sum(squared_distances(x, y));
  Elements expected;
  for (double value : same) expected.push_back(2 * 25 * value);
  expect_all_near(s.run(hvp(loss, std::vector{x}, std::vector{v})[0]), expected,
                  tolerance::kExactForms, "H v");
}

}  // namespace
}  // namespace metatape
