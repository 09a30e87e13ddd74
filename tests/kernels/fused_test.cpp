#include "kernels/fused/fused.h"

#include <gtest/gtest.h>

#include "kernels/elementwise/elementwise.h"
#include "kernels/reduce/reduce.h"
#include "tests/support/random_expression.h"

namespace metatape::kernels {
namespace {

using namespace reference;

template <class T>
class Fused : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Fused, FloatTypes);

template <class T>
std::vector<const T*> pointers(const std::vector<std::vector<T>>& values) {
  std::vector<const T*> all;
  for (const std::vector<T>& v : values) all.push_back(v.data());
  return all;
}

template <class T>
std::vector<T> fused(const FusedCase& c, int threads) {
  const auto values = c.values_as<T>();
  std::vector<T> y(std::size_t(c.nest.count()), T(-77));
  fused(fused_args<T>(c, pointers(values), y.data()), CpuContext{.threads = threads});
  return y;
}

/// One separate kernel after the other, on dense copies of the operands.
template <class T>
std::vector<T> separately(const FusedCase& c) {
  const auto values = c.values_as<T>();
  std::vector<std::vector<T>> slots(values.size() + std::size_t(c.expression.registers));
  for (std::size_t k = 0; k < values.size(); ++k)
    for_each_index(c.nest, [&](const Extents& index) {
      slots[k].push_back(values[k][std::size_t(offset_of(c.nest, index, c.strides[k]))]);
    });
  const LoopNest flat{1, {c.nest.count()}};
  std::vector<T> y(std::size_t(c.nest.count()));
  for (int i = 0; i < c.expression.operations; ++i) {
    const FusedOperation& op = c.expression.code[std::size_t(i)];
    const Scalars<T> scalars{T(op.alpha), T(op.beta)};
    if (is_unary(op.function))
      unary<T>({UnaryFunction(op.function), scalars, c.nest.count(), slots[op.a].data(), y.data()},
               CpuContext{});
    else
      binary<T>({BinaryFunction(int(op.function) - kUnaryFunctions), scalars, flat, Extents{1},
                 Extents{1}, slots[op.a].data(), slots[op.b].data(), y.data()},
                CpuContext{});
    slots[op.result] = y;
  }
  return y;
}

template <class T>
void expect_not_constant(const std::vector<T>& y) {
  EXPECT_TRUE(std::ranges::any_of(y, [&](T v) { return v != y[0]; }));
}

TYPED_TEST(Fused, HasTheBitsOfSeparateKernelsOverRandomNests) {
  using T = TypeParam;
  Random random(31);
  for (int trial = 0; trial < 100; ++trial) {
    SCOPED_TRACE(trial);
    const FusedCase c(random_nest(random), int(draw(random, 1, kMaxFusedOperands)),
                      int(draw(random, 1, kMaxFusedOperations)), random);
    EXPECT_TRUE(same_bits(fused<T>(c, 1), separately<T>(c)));
  }
}

// Rows that end within a block, beside it, and pieces of several threads.
TYPED_TEST(Fused, HasTheBitsOfSeparateKernelsAroundTheBlockLength) {
  using T = TypeParam;
  Random random(32);
  for (std::int64_t row : {1, 5, 64, 100, 511, 512, 513, 1030})
    for (std::int64_t rows : {1, 7, 130}) {
      SCOPED_TRACE(testing::Message() << rows << " rows of " << row);
      FusedCase c({3, {2, rows, row}}, 4, 6, random);
      c.strides = {Extents{rows * row, row, 1}, Extents{row, 0, 1}, Extents{0, 0, 1},
                   Extents{rows, 1, 0}};
      const std::vector<T> y = fused<T>(c, 1);
      if (y.size() > 1) expect_not_constant(y);
      EXPECT_TRUE(same_bits(y, separately<T>(c)));
      EXPECT_TRUE(same_bits(y, fused<T>(c, 2)));
    }
}

TYPED_TEST(Fused, MayOverwriteADenseOperand) {
  using T = TypeParam;
  Random random(33);
  for (int operand : {0, 1, 2}) {
    FusedCase c({2, {300, 70}}, 3, 9, random);
    c.strides = {Extents{70, 1}, Extents{70, 1}, Extents{70, 1}};
    const std::vector<T> expected = separately<T>(c);
    auto values = c.values_as<T>();
    const auto args = fused_args<T>(c, pointers(values), values[std::size_t(operand)].data());
    fused(args, CpuContext{.threads = 2});
    values[std::size_t(operand)].resize(expected.size());
    EXPECT_TRUE(same_bits(values[std::size_t(operand)], expected)) << operand;
  }
}

template <class T>
class FusedSum : public testing::Test {};
TYPED_TEST_SUITE(FusedSum, FloatTypes);

template <class T>
std::vector<T> fused_sum(const FusedCase& c, unsigned reduced, int threads) {
  const auto values = c.values_as<T>();
  std::vector<T> y(std::size_t(count_of(c.nest, ~reduced)), T(-77));
  std::vector<T> workspace(std::size_t(fused_sum_workspace_elements(c.nest, reduced, CpuContext{})),
                           T(-88));
  fused_sum<T>({fused_args<T>(c, pointers(values), y.data()), reduced,
                workspace.empty() ? nullptr : workspace.data()},
               CpuContext{.threads = threads});
  return y;
}

template <class T>
std::vector<T> sum_separately(const FusedCase& c, unsigned reduced) {
  const std::vector<T> terms = separately<T>(c);
  std::vector<T> y(std::size_t(count_of(c.nest, ~reduced)));
  std::vector<T> workspace(std::size_t(sum_workspace_elements(c.nest, reduced, CpuContext{})));
  sum<T>({c.nest,
          reduced,
          dense_strides(c.nest),
          {},
          terms.data(),
          nullptr,
          y.data(),
          workspace.data()},
         CpuContext{});
  return y;
}

template <class T>
void expect_bits_of_the_separate_sum(const FusedCase& c, unsigned reduced) {
  const std::vector<T> y = fused_sum<T>(c, reduced, 1);
  EXPECT_TRUE(same_bits(y, sum_separately<T>(c, reduced)));
  EXPECT_TRUE(same_bits(y, fused_sum<T>(c, reduced, 2)));
}

TYPED_TEST(FusedSum, HasTheBitsOfASeparateSumOverRandomNests) {
  Random random(34);
  for (int trial = 0; trial < 100; ++trial) {
    SCOPED_TRACE(trial);
    const FusedCase c(random_nest(random), int(draw(random, 1, kMaxFusedOperands)),
                      int(draw(random, 1, kMaxFusedOperations)), random);
    expect_bits_of_the_separate_sum<TypeParam>(c, unsigned(draw(random, 0, 63)));
  }
}

TYPED_TEST(FusedSum, HasTheBitsOfASeparateSumAroundSegmentsAndBlocks) {
  Random random(35);
  for (std::int64_t terms : {1, 2, 4, 5, 8, 33, 513, 1500, 4097})
    for (std::int64_t outputs : {1, 3, 64, 1025}) {
      if (terms * outputs > 200000) continue;
      SCOPED_TRACE(testing::Message() << terms << " terms, " << outputs << " outputs");
      FusedCase rows({3, {2, terms, outputs}}, 3, 5, random);
      rows.strides = {Extents{terms * outputs, outputs, 1}, Extents{outputs, 0, 1},
                      Extents{terms, 1, 0}};
      expect_bits_of_the_separate_sum<TypeParam>(rows, 0b010);
      FusedCase lanes({3, {2, outputs, terms}}, 3, 5, random);
      lanes.strides = {Extents{terms * outputs, terms, 1}, Extents{outputs, 1, 0},
                       Extents{terms, 0, 1}};
      expect_bits_of_the_separate_sum<TypeParam>(lanes, 0b100);
    }
}

TYPED_TEST(FusedSum, OfNothingIsZero) {
  Random random(36);
  const FusedCase c({2, {0, 3}}, 2, 2, random);
  EXPECT_EQ(fused_sum<TypeParam>(c, 0b01, 1), std::vector<TypeParam>(3, 0));
}

}  // namespace
}  // namespace metatape::kernels
