#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "engine/autodiff.h"
#include "tests/support/compare.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

constexpr std::int64_t kPoints = 25, kDimension = 64;

/// Points around `offset` in every coordinate, exact in f32.
Elements points(double offset, unsigned seed = 2) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(offset, 1);
  Elements values;
  for (std::int64_t i = 0; i < kPoints * kDimension; ++i) values.push_back(float(normal(random)));
  return values;
}

/// In f64, whatever the offset.
Elements distances_of(const Elements& x, const Elements& y) {
  Elements distances;
  for (std::int64_t i = 0; i < kPoints; ++i)
    for (std::int64_t j = 0; j < kPoints; ++j) {
      double total = 0;
      for (std::int64_t k = 0; k < kDimension; ++k)
        total +=
            std::pow(x[std::size_t(i * kDimension + k)] - y[std::size_t(j * kDimension + k)], 2);
      distances.push_back(total);
    }
  return distances;
}

TEST(SquaredDistances, OfEqualRowsAreExactlyZero) {
  Sandbox s;
  for (const DType dtype : {DType::f32, DType::f64}) {
    const Var x = s.value({kPoints, kDimension}, points(3), dtype);
    const Var y = s.value({kPoints, kDimension}, points(3), dtype);
    expect_all_zero(s.run(diagonal(squared_distances(x, x))), "one value");
    expect_all_zero(s.run(diagonal(squared_distances(x, y))), "two values");
    EXPECT_EQ(s.run(diagonal(rbf_gram(x, x, 0.01))), Elements(kPoints, 1.0));
  }
}

TEST(SquaredDistances, ExchangedOperandsTransposeThemToTheBit) {
  Sandbox s;
  const Var x = s.value({kPoints, kDimension}, points(0), DType::f32);
  const Var y = s.value({kPoints, kDimension}, points(0, 3), DType::f32);
  EXPECT_EQ(s.run(squared_distances(x, y)), s.run(transpose(squared_distances(y, x))));
  EXPECT_EQ(s.run(squared_distances(x, x)), s.run(transpose(squared_distances(x, x))));
}

// From the norms and products of the rows they would come out around 0, on either side.
TEST(SquaredDistances, OfCloseNeighboursKeepTheirDigits) {
  Sandbox s;
  const Elements x = points(0);
  Elements y = x;
  for (double& value : y) value = float(value * (1 + 1e-6));
  const Elements expected = distances_of(x, y);
  const Elements found = s.run(squared_distances(s.value({kPoints, kDimension}, x, DType::f32),
                                                 s.value({kPoints, kDimension}, y, DType::f32)));
  ASSERT_GT(expected[0], 0);
  for (std::size_t k = 0; k < found.size(); ++k)
    EXPECT_NEAR(found[k], expected[k], tolerance::kernel<float>(kDimension) * expected[k]);
}

TEST(SquaredDistances, DoNotLoseDigitsToACommonOffset) {
  Sandbox s;
  const Elements x = points(1000);
  const Var in_f32 = s.value({kPoints, kDimension}, x, DType::f32);
  expect_all_near(s.run(squared_distances(in_f32, in_f32)), distances_of(x, x),
                  tolerance::kSingleValue, "distances around 1000");
}

// x_bar_i = 2 sum_j w_ij (x_i - y_j), and y_bar likewise: its two products are about 10^4 times as
// large as their difference.
TEST(SquaredDistances, DerivativesDoNotLoseDigitsToACommonOffset) {
  Sandbox s;
  const Elements x = points(10000), y = points(10000, 3);
  Elements weights, x_bar(x.size()), y_bar(y.size());
  for (std::int64_t k = 0; k < kPoints * kPoints; ++k) weights.push_back(double(k % 7 + 1) / 8);
  for (std::int64_t i = 0; i < kPoints; ++i)
    for (std::int64_t j = 0; j < kPoints; ++j)
      for (std::int64_t k = 0; k < kDimension; ++k) {
        const std::size_t at_x = std::size_t(i * kDimension + k);
        const std::size_t at_y = std::size_t(j * kDimension + k);
        const double w = weights[std::size_t(i * kPoints + j)];
        x_bar[at_x] += 2 * w * (x[at_x] - y[at_y]);
        y_bar[at_y] -= 2 * w * (x[at_x] - y[at_y]);
      }
  const Var to = s.value({kPoints, kDimension}, y, DType::f32);
  const Var from = s.value({kPoints, kDimension}, x, DType::f32);
  const Var w = s.value({kPoints, kPoints}, weights, DType::f32);
  const std::vector<Var> bars = grad(dot(squared_distances(from, to), w), std::vector{from, to});
  expect_all_near(s.run(bars[0]), x_bar, tolerance::kSingleValue, "x_bar");
  expect_all_near(s.run(bars[1]), y_bar, tolerance::kSingleValue, "y_bar");
}

// The second derivative of the sum over all pairs is 2 x (number of pairs of a point), also where
// the distance is 0.
TEST(SquaredDistances, KeepTheDerivativesOfCoincidingPoints) {
  Sandbox s;
  const Elements same = points(0.3);
  const Shape shape{kPoints, kDimension};
  const Var x = s.value(shape, same), y = s.value(shape, same), v = s.value(shape, same);
  const Var loss = sum(squared_distances(x, y));
  Elements expected;
  for (double value : same) expected.push_back(2 * kPoints * value);
  expect_all_near(s.run(hvp(loss, std::vector{x}, std::vector{v})[0]), expected,
                  tolerance::kExactForms, "H v");
}

TEST(SquaredDistances, RejectsPointsThatCannotBePaired) {
  Sandbox s;
  expect_rejected(ErrorKind::shape, "squared_distances",
                  "x [2,3] and y [4,2]: expected [...,N,D] and [...,M,D]", [&] {
                    squared_distances(s.zeros({2, 3}), s.zeros({4, 2}));
                  });
  expect_rejected(ErrorKind::shape, "squared_distances", "x [3] and y [3]",
                  [&] { squared_distances(s.zeros({3}), s.zeros({3})); });
  expect_rejected(ErrorKind::shape, "squared_distances", "x [2,4,3] and y [3,4,3]", [&] {
    squared_distances(s.zeros({2, 4, 3}), s.zeros({3, 4, 3}));
  });
  expect_rejected(ErrorKind::dtype, "squared_distances", "f32", [&] {
    squared_distances(s.zeros({2, 3}), s.zeros({4, 3}, DType::f32));
  });
}

}  // namespace
}  // namespace metatape
