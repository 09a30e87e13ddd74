#include "kernels/reduce/reduce.h"

#include <gtest/gtest.h>

#include "kernels/elementwise/elementwise.h"
#include "tests/support/reference.h"
#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

using namespace reference;

template <class T>
class Sum : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Sum, FloatTypes);

template <class T>
std::vector<T> sum(SumArgs<T> args, int threads) {
  std::vector<T> y(count_of(args.loops, ~args.reduced), T(-77));
  std::vector<T> workspace(sum_workspace_elements(args.loops, args.reduced, CpuContext{}), T(-88));
  args.y = y.data();
  args.workspace = workspace.empty() ? nullptr : workspace.data();
  sum(args, CpuContext{.threads = threads});
  return y;
}

/// One f64 loop over the nest; also checks that two threads give the bits of one.
template <class T>
void expect_matches_plain_sum(const SumArgs<T>& args) {
  const LoopNest& nest = args.loops;
  const Extents y_strides = dense_strides(nest, ~args.reduced);
  std::vector<double> expected(count_of(nest, ~args.reduced)), magnitude(expected.size());
  for_each_index(nest, [&](const Extents& index) {
    double term = args.a[offset_of(nest, index, args.a_strides)];
    if (args.b != nullptr) term *= args.b[offset_of(nest, index, args.b_strides)];
    expected[offset_of(nest, index, y_strides)] += term;
    magnitude[offset_of(nest, index, y_strides)] += std::abs(term);
  });
  const std::vector<T> y = sum(args, 1);
  if (nest.count() > 0) {
    expect_close(y, expected, tolerance::kernel<T>(count_of(nest, args.reduced)), magnitude);
  } else {
    EXPECT_EQ(y, std::vector<T>(expected.size(), T(0)));
  }
  EXPECT_TRUE(same_bits(y, sum(args, 2)));
}

TYPED_TEST(Sum, MatchesPlainLoopsOverRandomNests) {
  using T = TypeParam;
  Random random(11);
  for (int trial = 0; trial < 400; ++trial) {
    SCOPED_TRACE(trial);
    const LoopNest nest = random_nest(random);
    const auto reduced = unsigned(draw(random, 0, 63));
    const std::vector<T> a = random_values<T>(nest.count() + 1, random);
    const std::vector<T> b = random_values<T>(nest.count() + 1, random);
    const bool product = draw(random, 0, 1) == 1;
    expect_matches_plain_sum<T>({nest, reduced, random_strides(nest, random),
                                 random_strides(nest, random), a.data(),
                                 product ? b.data() : nullptr, nullptr, nullptr});
  }
}

TYPED_TEST(Sum, MatchesPlainLoopsAroundTheSegmentLengths) {
  using T = TypeParam;
  Random random(12);
  for (std::int64_t terms : {1, 2, 31, 32, 33, 511, 512, 513, 1025, 4095, 4096, 4097, 12300}) {
    SCOPED_TRACE(terms);
    const std::vector<T> a = random_values<T>(terms * 13, random), b = random_values<T>(13, random);
    const LoopNest leading{2, {terms, 13}}, trailing{2, {13, terms}};
    expect_matches_plain_sum<T>({leading, 0b01, {13, 1}, {0, 1}, a.data(), b.data(), {}, {}});
    expect_matches_plain_sum<T>({leading, 0b01, {13, 1}, {}, a.data(), nullptr, {}, {}});
    expect_matches_plain_sum<T>({trailing, 0b10, {terms, 1}, {1, 0}, a.data(), b.data(), {}, {}});
    expect_matches_plain_sum<T>({trailing, 0b10, {1, 13}, {}, a.data(), nullptr, {}, {}});
    expect_matches_plain_sum<T>({trailing, 0b11, {terms, 1}, {}, a.data(), nullptr, {}, {}});
  }
}

TYPED_TEST(Sum, MatchesPlainLoopsOnEveryChoiceOfReducedLoops) {
  using T = TypeParam;
  Random random(13);
  const LoopNest nest{5, {8, 5, 14, 14, 16}};
  const Extents dense = dense_strides(nest), per_task_channel = dense_strides(nest, 0b10001);
  const std::vector<T> a = random_values<T>(nest.count(), random);
  const std::vector<T> b = random_values<T>(nest.count(), random);
  for (unsigned reduced = 0; reduced < 32; ++reduced) {
    SCOPED_TRACE(reduced);
    expect_matches_plain_sum<T>({nest, reduced, dense, {}, a.data(), nullptr, {}, {}});
    expect_matches_plain_sum<T>({nest, reduced, dense, dense, a.data(), b.data(), {}, {}});
    expect_matches_plain_sum<T>(
        {nest, reduced, per_task_channel, dense, a.data(), b.data(), {}, {}});
  }
}

TYPED_TEST(Sum, OfAFusedBroadcastProductHasTheBitsOfTheSeparateProduct) {
  using T = TypeParam;
  Random random(14);
  const LoopNest nest{4, {6, 45, 10, 24}};
  const Extents dense = dense_strides(nest);
  const std::vector<T> a = random_values<T>(nest.count(), random);
  const std::vector<T> b = random_values<T>(nest.count(), random);
  for (unsigned reduced = 0; reduced < 16; ++reduced) {
    for (unsigned present : {0b1111u, 0b1001u, 0b0110u, 0b0000u}) {
      SCOPED_TRACE(reduced);
      const Extents b_strides = dense_strides(nest, present);
      std::vector<T> product(nest.count());
      binary<T>(
          {BinaryFunction::mul, {}, nest, dense, b_strides, a.data(), b.data(), product.data()},
          CpuContext{});
      EXPECT_TRUE(
          same_bits(sum<T>({nest, reduced, dense, b_strides, a.data(), b.data(), {}, {}}, 1),
                    sum<T>({nest, reduced, dense, {}, product.data(), nullptr, {}, {}}, 2)));
    }
  }
}

TYPED_TEST(Sum, WithoutReducedLoopsCopiesEveryBit) {
  using T = TypeParam;
  const std::vector<T> a{T(-0.0), T(1.5), T(-2)};
  EXPECT_TRUE(same_bits(a, sum<T>({{1, {3}}, 0, {1}, {}, a.data(), nullptr, {}, {}}, 1)));
  EXPECT_TRUE(same_bits({a[0]}, sum<T>({{0, {}}, 0, {}, {}, a.data(), nullptr, {}, {}}, 1)));
}

TYPED_TEST(Sum, OverEmptyLoopsIsZero) {
  using T = TypeParam;
  const std::vector<T> a(1, T(5));
  EXPECT_EQ((sum<T>({{2, {3, 0}}, 0b10, {0, 1}, {}, a.data(), nullptr, {}, {}}, 2)),
            std::vector<T>(3, T(0)));
  EXPECT_EQ((sum<T>({{2, {0, 3}}, 0b01, {3, 1}, {}, a.data(), nullptr, {}, {}}, 2)),
            std::vector<T>(3, T(0)));
  EXPECT_TRUE((sum<T>({{2, {0, 3}}, 0b10, {3, 1}, {}, a.data(), nullptr, {}, {}}, 2)).empty());
}

// Equal terms round the same way at every step of a chain, the worst case for its length.
TEST(SumAccuracy, StaysWithinItsBoundForEqualTerms) {
  constexpr std::int64_t kCount = 1 << 22;
  const std::vector<float> a(1, 0.1f);
  for (std::int64_t columns : {1, 8}) {
    const std::int64_t rows = kCount / columns;
    const LoopNest nest{2, {rows, columns}};
    const double terms = double(rows), exact = terms * double(a[0]);
    const double bound = 4 * double(std::numeric_limits<float>::epsilon()) * std::sqrt(terms);
    for (float y : sum<float>({nest, 0b01, {0, 0}, {}, a.data(), nullptr, {}, {}}, 2)) {
      EXPECT_LE(std::abs(double(y) - exact), bound * exact);
    }
  }
}

TEST(SumWorkspace, IsNeededOnlyForSeveralSegments) {
  EXPECT_EQ(sum_workspace_elements({2, {512, 64}}, 0b01, CpuContext{}), 0);
  EXPECT_EQ(sum_workspace_elements({2, {513, 64}}, 0b01, CpuContext{}), 2 * 64);
  EXPECT_EQ(sum_workspace_elements({2, {64, 4096}}, 0b10, CpuContext{}), 0);
  EXPECT_EQ(sum_workspace_elements({2, {64, 4097}}, 0b10, CpuContext{}), 2 * 64);
  EXPECT_EQ(sum_workspace_elements({2, {64, 0}}, 0b10, CpuContext{}), 0);
}

}  // namespace
}  // namespace metatape::kernels
