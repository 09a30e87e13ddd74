#include "kernels/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/reference.h"
#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

using namespace reference;

template <class T>
class Elementwise : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Elementwise, FloatTypes);

constexpr UnaryFunction kUnaryFunctions[] = {
#define MT_ELEMENT(name) UnaryFunction::name,
    MT_UNARY_FUNCTIONS(MT_ELEMENT)
#undef MT_ELEMENT
};
constexpr BinaryFunction kBinaryFunctions[] = {
#define MT_ELEMENT(name) BinaryFunction::name,
    MT_BINARY_FUNCTIONS(MT_ELEMENT)
#undef MT_ELEMENT
};

bool needs_positive(UnaryFunction f) {
  return f == UnaryFunction::log_ || f == UnaryFunction::sqrt_ || f == UnaryFunction::rsqrt_ ||
         f == UnaryFunction::reciprocal || f == UnaryFunction::pow_;
}

double unary_reference(UnaryFunction f, double x, double alpha, double beta) {
  switch (f) {
    case UnaryFunction::affine:
      return alpha * x + beta;
    case UnaryFunction::exp_:
      return std::exp(x);
    case UnaryFunction::expm1_:
      return std::expm1(x);
    case UnaryFunction::log_:
      return std::log(x);
    case UnaryFunction::sqrt_:
      return std::sqrt(x);
    case UnaryFunction::rsqrt_:
      return std::pow(x, -0.5);
    case UnaryFunction::reciprocal:
      return std::pow(x, -1);
    case UnaryFunction::square:
      return x * x;
    case UnaryFunction::pow_:
      return std::pow(x, alpha);
    case UnaryFunction::tanh_:
      return std::tanh(x);
    case UnaryFunction::sigmoid:
      return (1 + std::tanh(x / 2)) / 2;
    case UnaryFunction::softplus:
      return std::log(1 + std::exp(x));
    case UnaryFunction::sin_:
      return std::sin(x);
    case UnaryFunction::cos_:
      return std::cos(x);
    case UnaryFunction::abs_:
      return std::fabs(x);
    case UnaryFunction::sign:
      return x > 0 ? 1 : x < 0 ? -1 : 0;
    case UnaryFunction::relu:
      return x > 0 ? x : alpha * x;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

double binary_reference(BinaryFunction f, double a, double b, double alpha) {
  switch (f) {
    case BinaryFunction::add:
      return a + b;
    case BinaryFunction::sub:
      return a - b;
    case BinaryFunction::mul:
      return a * b;
    case BinaryFunction::div:
      return a / b;
    case BinaryFunction::maximum:
      return std::max(a, b);
    case BinaryFunction::minimum:
      return std::min(a, b);
    case BinaryFunction::greater:
      return a > b ? 1 : 0;
    case BinaryFunction::greater_equal:
      return a >= b ? 1 : 0;
    case BinaryFunction::relu_mask:
      return b > 0 ? a : alpha * a;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

TYPED_TEST(Elementwise, UnaryMatchesPlainFormula) {
  using T = TypeParam;
  Random random(1);
  const Scalars<T> scalars{T(0.25), T(-1.5)};
  for (UnaryFunction f : kUnaryFunctions) {
    SCOPED_TRACE(int(f));
    for (std::int64_t count : {1, 7, 1031, 40000}) {
      const std::vector<T> x = random_values<T>(count, random, needs_positive(f) ? 0.1 : -3, 3);
      std::vector<T> y(x.size()), y_two_threads(x.size()), in_place = x;
      unary<T>({f, scalars, count, x.data(), y.data()}, CpuContext{.threads = 1});
      unary<T>({f, scalars, count, x.data(), y_two_threads.data()}, CpuContext{.threads = 2});
      unary<T>({f, scalars, count, in_place.data(), in_place.data()}, CpuContext{.threads = 2});

      std::vector<double> expected;
      for (T value : x) expected.push_back(unary_reference(f, value, 0.25, -1.5));
      expect_close(y, expected, tolerance::elementwise<T>());
      EXPECT_TRUE(same_bits(y, y_two_threads));
      EXPECT_TRUE(same_bits(y, in_place));
    }
  }
}

TYPED_TEST(Elementwise, BinaryMatchesPlainFormulaOverRandomLoopNests) {
  using T = TypeParam;
  Random random(2);
  const Scalars<T> scalars{T(0.25)};
  for (int trial = 0; trial < 300; ++trial) {
    SCOPED_TRACE(trial);
    const BinaryFunction f = kBinaryFunctions[trial % std::size(kBinaryFunctions)];
    const LoopNest nest = random_nest(random);
    const Extents a_strides = random_strides(nest, random),
                  b_strides = random_strides(nest, random);
    const std::int64_t count = nest.count();
    const std::vector<T> a = random_values<T>(count + 1, random);
    const std::vector<T> b = random_values<T>(count + 1, random, 0.5, 2);
    std::vector<T> y(count), y_two_threads(count);
    BinaryArgs<T> args{f, scalars, nest, a_strides, b_strides, a.data(), b.data(), y.data()};
    binary(args, CpuContext{.threads = 1});
    args.y = y_two_threads.data();
    binary(args, CpuContext{.threads = 2});

    std::vector<double> expected;
    for_each_index(nest, [&](const Extents& index) {
      expected.push_back(binary_reference(f, a[offset_of(nest, index, a_strides)],
                                          b[offset_of(nest, index, b_strides)], 0.25));
    });
    ASSERT_EQ(expected.size(), y.size());
    for (std::size_t i = 0; i < y.size(); ++i) {
      ASSERT_NEAR(y[i], expected[i],
                  tolerance::elementwise<T>() * std::max(1.0, std::abs(expected[i])));
    }
    EXPECT_TRUE(same_bits(y, y_two_threads));
  }
}

TYPED_TEST(Elementwise, EveryBinaryFunctionMatchesOnSignedOperands) {
  using T = TypeParam;
  Random random(3);
  const LoopNest nest{3, {32, 25, 64}};
  const std::int64_t count = nest.count();
  const std::vector<T> a = random_values<T>(count, random), b = random_values<T>(count, random);
  for (BinaryFunction f : kBinaryFunctions) {
    for (const Extents& b_strides : {dense_strides(nest), dense_strides(nest, 0b101),
                                     dense_strides(nest, 0b011), dense_strides(nest, 0)}) {
      for (bool swapped : {false, true}) {
        SCOPED_TRACE(int(f));
        std::vector<T> y(count);
        const Extents dense = dense_strides(nest);
        const Extents left = swapped ? b_strides : dense, right = swapped ? dense : b_strides;
        binary<T>({f, {T(0.25)}, nest, left, right, a.data(), b.data(), y.data()},
                  CpuContext{.threads = 2});
        std::vector<double> expected;
        for_each_index(nest, [&](const Extents& index) {
          expected.push_back(binary_reference(f, a[offset_of(nest, index, left)],
                                              b[offset_of(nest, index, right)], 0.25));
        });
        expect_close(y, expected, tolerance::elementwise<T>());
      }
    }
  }
}

TYPED_TEST(Elementwise, BinaryInPlaceEqualsOutOfPlace) {
  using T = TypeParam;
  Random random(4);
  const LoopNest nest{3, {11, 53, 67}};
  const Extents dense = dense_strides(nest), channels = dense_strides(nest, 0b100);
  const std::int64_t count = nest.count();
  const std::vector<T> a = random_values<T>(count, random), b = random_values<T>(count, random);
  for (BinaryFunction f : kBinaryFunctions) {
    for (const Extents& other : {dense, channels}) {
      SCOPED_TRACE(int(f));
      std::vector<T> y(count), into_a = a, into_b = b, into_both = a, squared(count);
      binary<T>({f, {}, nest, dense, other, a.data(), b.data(), y.data()}, CpuContext{});
      binary<T>({f, {}, nest, dense, other, into_a.data(), b.data(), into_a.data()}, {2});
      EXPECT_TRUE(same_bits(y, into_a));
      binary<T>({f, {}, nest, other, dense, a.data(), b.data(), y.data()}, CpuContext{});
      binary<T>({f, {}, nest, other, dense, a.data(), into_b.data(), into_b.data()}, {2});
      EXPECT_TRUE(same_bits(y, into_b));
      binary<T>({f, {}, nest, dense, dense, a.data(), a.data(), squared.data()}, CpuContext{});
      binary<T>({f, {}, nest, dense, dense, into_both.data(), into_both.data(), into_both.data()},
                {2});
      EXPECT_TRUE(same_bits(squared, into_both));
    }
  }
}

TYPED_TEST(Elementwise, ReluAndItsMaskKeepNanInfinityAndSignedSlope) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> x{nan, inf, -inf, T(3), T(-3), T(0)};
  std::vector<T> y(x.size());
  const auto count = std::int64_t(x.size());
  unary<T>({UnaryFunction::relu, {T(0.5)}, count, x.data(), y.data()}, CpuContext{});
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ((std::vector<T>(y.begin() + 1, y.end())), (std::vector<T>{inf, -inf, 3, T(-1.5), 0}));
  const std::vector<T> mask{1, 1, -1, 0, nan, 2};
  binary<T>({BinaryFunction::relu_mask,
             {T(0)},
             {1, {count}},
             {1},
             {1},
             std::vector<T>{nan, inf, 5, 5, 5, 5}.data(),
             mask.data(),
             y.data()},
            CpuContext{});
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ((std::vector<T>(y.begin() + 1, y.end())), (std::vector<T>{inf, 0, 0, 0, 5}));
}

TEST(Fill, WritesExactlyTheGivenCount) {
  for (std::int64_t count : {0, 1, 5, 16384, 50001}) {
    std::vector<std::int32_t> y(count + 1, -1);
    fill<std::int32_t>(y.data(), count, 7, CpuContext{.threads = 2});
    EXPECT_EQ(std::count(y.begin(), y.end(), 7), count);
    EXPECT_EQ(y.back(), -1);
  }
  std::vector<double> y(3);
  fill(y.data(), 3, 0.5, CpuContext{});
  EXPECT_EQ(y, (std::vector<double>{0.5, 0.5, 0.5}));
}

template <class From, class To>
void expect_cast() {
  std::vector<From> x(40000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = From(i % 251) + From(0.75);
  std::vector<To> y(x.size()), expected;
  for (From value : x) expected.push_back(To(value));
  cast(x.data(), y.data(), std::int64_t(x.size()), CpuContext{.threads = 2});
  EXPECT_EQ(y, expected);
  EXPECT_NE(y[1], y[2]);
}

template <class From>
void expect_casts_from() {
  expect_cast<From, float>();
  expect_cast<From, double>();
  expect_cast<From, std::int32_t>();
  expect_cast<From, std::uint8_t>();
}

TEST(Cast, ConvertsBetweenAllElementTypes) {
  expect_casts_from<float>();
  expect_casts_from<double>();
  expect_casts_from<std::int32_t>();
  expect_casts_from<std::uint8_t>();
}

}  // namespace
}  // namespace metatape::kernels
