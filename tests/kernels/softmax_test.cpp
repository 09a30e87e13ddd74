#include "kernels/softmax/softmax.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/reference.h"
#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

using namespace reference;

template <class T>
class LogSoftmax : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(LogSoftmax, FloatTypes);

TYPED_TEST(LogSoftmax, MatchesItsFormulaForAnyRowLength) {
  using T = TypeParam;
  Random random(31);
  for (std::int64_t columns : {2, 5, 20, 64, 1009}) {
    const std::int64_t rows = 40000 / columns;
    const std::vector<T> x = random_values<T>(rows * columns, random, -20, 20);
    std::vector<T> y(x.size()), y_two_threads(x.size()), in_place = x;
    log_softmax(rows, columns, x.data(), y.data(), CpuContext{.threads = 1});
    log_softmax(rows, columns, x.data(), y_two_threads.data(), CpuContext{.threads = 2});
    log_softmax(rows, columns, in_place.data(), in_place.data(), CpuContext{.threads = 2});

    std::vector<double> expected;
    for (std::int64_t r = 0; r < rows; ++r) {
      double sum = 0;
      for (std::int64_t c = 0; c < columns; ++c) sum += std::exp(double(x[r * columns + c]));
      for (std::int64_t c = 0; c < columns; ++c) {
        expected.push_back(x[r * columns + c] - std::log(sum));
      }
    }
    // Two roundings of numbers up to 40, the span of a row.
    expect_close(y, expected, tolerance::elementwise<T>(), std::vector<double>(x.size(), 40));
    EXPECT_TRUE(same_bits(y, y_two_threads));
    EXPECT_TRUE(same_bits(y, in_place));
  }
}

TYPED_TEST(LogSoftmax, SurvivesLogitsBeyondTheRangeOfExp) {
  using T = TypeParam;
  const std::vector<T> x{T(5000), T(5000), T(-5000)};
  std::vector<T> y(3);
  log_softmax(1, 3, x.data(), y.data(), CpuContext{});
  EXPECT_NEAR(y[0], -std::log(2.0), tolerance::elementwise<T>());
  EXPECT_EQ(y[0], y[1]);
  EXPECT_NEAR(y[2], -10000 - std::log(2.0), 10000 * tolerance::elementwise<T>());
  log_softmax(1, 3, std::vector<T>(3, T(-5000)).data(), y.data(), CpuContext{});
  EXPECT_NEAR(y[2], -std::log(3.0), tolerance::elementwise<T>());
}

TYPED_TEST(LogSoftmax, OfOneColumnIsZeroAndNanStaysInItsRow) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  std::vector<T> y(4);
  log_softmax(1, 1, std::vector<T>{T(3)}.data(), y.data(), CpuContext{});
  EXPECT_EQ(y[0], 0);
  log_softmax(2, 2, std::vector<T>{1, nan, 0, 0}.data(), y.data(), CpuContext{});
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  EXPECT_NEAR(y[2], -std::log(2.0), tolerance::elementwise<T>());
}

TEST(LogSoftmaxRows, MayBeZero) {
  log_softmax<float>(0, 5, nullptr, nullptr, CpuContext{.threads = 2});
}

}  // namespace
}  // namespace metatape::kernels
