#include "kernels/fused/fused.h"

#include <gtest/gtest.h>

#include "kernels/common/streamed_store.h"
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
std::vector<T> fused(const FusedCase& c, int threads, const Scattering& scattering = {}) {
  const auto values = c.values_as<T>();
  std::vector<T> y(std::size_t(c.nest.count()), T(-77));
  fused(fused_args<T>(c, pointers(values), y.data(), scattering), CpuContext{.threads = threads});
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

// Some blocks of three rows begin at a vector, others do not.
TYPED_TEST(Fused, HasTheBitsOfSeparateKernelsWhereItWritesPastTheCaches) {
  using T = TypeParam;
  Random random(40);
  const std::int64_t row = 66, rows = kStreamedBytes / std::int64_t(sizeof(T)) / row + 2;
  FusedCase c({2, {rows, row}}, 2, 3, random);
  c.strides = {Extents{row, 1}, Extents{0, 1}};
  EXPECT_TRUE(same_bits(fused<T>(c, 2), separately<T>(c)));
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

TYPED_TEST(Fused, ReadsWhatAPoolingScatters) {
  using T = TypeParam;
  Random random(37);
  for (const PoolGeometry& g : kScatterings) {
    SCOPED_TRACE(testing::Message() << g.height << "x" << g.width << "x" << g.channels);
    const ScatteredCase c(g, random);
    const std::vector<T> y = fused<T>(c.given, 1, {g, c.index.data()});
    expect_not_constant(y);
    EXPECT_TRUE(same_bits(y, separately<T>(c.spread)));
    EXPECT_TRUE(same_bits(y, fused<T>(c.given, 2, {g, c.index.data()})));
  }
}

template <class T>
class FusedSum : public testing::Test {};
TYPED_TEST_SUITE(FusedSum, FloatTypes);

template <class T>
std::vector<T> fused_sum(const FusedCase& c, unsigned reduced, int threads,
                         const Scattering& scattering = {}) {
  const auto values = c.values_as<T>();
  std::vector<T> y(std::size_t(count_of(c.nest, ~reduced)), T(-77));
  std::vector<T> workspace(std::size_t(fused_sum_workspace_elements(c.nest, reduced, CpuContext{})),
                           T(-88));
  fused_sum<T>({fused_args<T>(c, pointers(values), y.data(), scattering), reduced,
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

// Channels kept, channels summed, a row of each image kept, all summed.
TYPED_TEST(FusedSum, ReadsWhatAPoolingScatters) {
  using T = TypeParam;
  Random random(38);
  for (const PoolGeometry& g : kScatterings)
    for (unsigned reduced : {0b0111u, 0b1000u, 0b0101u, 0b1111u}) {
      SCOPED_TRACE(testing::Message()
                   << g.height << "x" << g.width << "x" << g.channels << ", " << reduced);
      const ScatteredCase c(g, random);
      const std::vector<T> y = fused_sum<T>(c.given, reduced, 1, {g, c.index.data()});
      EXPECT_TRUE(same_bits(y, sum_separately<T>(c.spread, reduced)));
      EXPECT_TRUE(same_bits(y, fused_sum<T>(c.given, reduced, 2, {g, c.index.data()})));
    }
}

TYPED_TEST(FusedSum, OfNothingIsZero) {
  Random random(36);
  const FusedCase c({2, {0, 3}}, 2, 2, random);
  EXPECT_EQ(fused_sum<TypeParam>(c, 0b01, 1), std::vector<TypeParam>(3, 0));
}

template <class T>
class FusedPoolIndex : public testing::Test {};
TYPED_TEST_SUITE(FusedPoolIndex, FloatTypes);

template <class T>
std::vector<WindowPlace> fused_index(const FusedCase& c, const PoolGeometry& g, int threads) {
  const CpuContext context{.threads = threads};
  const auto values = c.values_as<T>();
  std::vector<WindowPlace> index(
      std::size_t(g.planes * g.out_height() * g.out_width() * g.channels), 99);
  std::vector<T> workspace(std::size_t(fused_pool_index_workspace_elements(g, context)));
  fused_pool_index<T>({fused_args<T>(c, pointers(values), static_cast<T*>(nullptr)), g,
                       index.data(), workspace.data()},
                      context);
  return index;
}

// Many ties, and what is no number.
TYPED_TEST(FusedPoolIndex, IsThatOfTheSeparateKernels) {
  using T = TypeParam;
  Random random(39);
  std::vector<PoolGeometry> geometries(std::begin(kScatterings), std::end(kScatterings));
  geometries.insert(geometries.end(), {{2, 9, 8, 5, 3, 2}, {2, 6, 7, 17, 3, 1}, {0, 8, 8, 16}});
  // Rows of more than 1024 elements are cut: windows side by side, overlapping, and one alone.
  geometries.insert(geometries.end(),
                    {{1, 4, 37, 70, 2, 2}, {1, 5, 38, 64, 3, 2}, {1, 3, 5, 600, 2, 2}});
  for (const PoolGeometry& g : geometries) {
    SCOPED_TRACE(testing::Message() << g.height << "x" << g.width << "x" << g.channels);
    FusedCase c({4, {g.planes, g.height, g.width, g.channels}}, 3, 5, random);
    c.strides = {dense_strides(c.nest), Extents{0, 0, 0, 1},
                 Extents{g.height * g.width, g.width, 1, 0}};
    for (float& x : c.values[0]) x = std::round(2 * x);
    if (c.nest.count() > 9) c.values[0][9] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<T> y = separately<T>(c);
    std::vector<WindowPlace> expected(
        std::size_t(g.planes * g.out_height() * g.out_width() * g.channels));
    max_pool_index(g, y.data(), expected.data(), CpuContext{});
    EXPECT_EQ(fused_index<T>(c, g, 1), expected);
    EXPECT_EQ(fused_index<T>(c, g, 2), expected);
  }
}

}  // namespace
}  // namespace metatape::kernels
