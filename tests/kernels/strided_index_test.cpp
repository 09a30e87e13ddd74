#include "kernels/common/strided_index.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/reference.h"

namespace metatape::kernels {
namespace {

using namespace reference;

template <class Index>
class Indices : public testing::Test {};
using IndexTypes = testing::Types<std::int32_t, std::int64_t>;
TYPED_TEST_SUITE(Indices, IndexTypes);

TYPED_TEST(Indices, DivideExactly) {
  constexpr std::int64_t kLargest = std::numeric_limits<std::int32_t>::max();
  Random random(31);
  for (int trial = 0; trial < 20000; ++trial) {
    const std::int64_t bits = draw(random, 1, 31);
    const std::int64_t d = trial < 100 ? trial + 1 : draw(random, 1, (std::int64_t{1} << bits) - 1);
    const Divisor<TypeParam> divisor(d);
    const std::int64_t multiple = draw(random, 1, kLargest / d) * d;
    for (std::int64_t n : {multiple - 1, multiple, kLargest, draw(random, 0, kLargest)}) {
      ASSERT_EQ(divisor.divide(TypeParam(n)), n / d) << n << " / " << d;
    }
  }
}

TYPED_TEST(Indices, GiveTheOffsetsOfEveryElement) {
  Random random(32);
  int elements = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const LoopNest nest = random_nest(random);
    if (nest.count() == 0) continue;
    Extents a = random_strides(nest, random), b = random_strides(nest, random);
    if (nest.rank > 0) b[0] = -b[0];
    const StridedIndex<2, TypeParam> at(canonical_loops<2>(nest, {a, b}));
    TypeParam i = 0;
    for_each_index(nest, [&](const Extents& index) {
      const auto offsets = at(i++);
      ASSERT_EQ(offsets.of[0], offset_of(nest, index, a));
      ASSERT_EQ(offsets.of[1], offset_of(nest, index, b));
      ++elements;
    });
  }
  EXPECT_GT(elements, 1000);
}

TYPED_TEST(Indices, CountNeighboursOfTheInnermostLoopAsOne) {
  const LoopNest nest{2, {3, 8}};
  const StridedIndex<2, TypeParam> at(canonical_loops<2>(nest, {{{10, 1}, {1, 0}}}), 4);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(at(i).of[0], i / 2 * 10 + i % 2 * 4);
    EXPECT_EQ(at(i).of[1], i / 2);
  }
}

TEST(NarrowIndices, HoldCountsAndOffsetsUpToTheirLimit) {
  constexpr std::int64_t kLimit = kLargestNarrowIndex;
  EXPECT_TRUE(is_narrow(canonical_loops<1>({1, {kLimit}}, {{{1}}})));
  EXPECT_FALSE(is_narrow(canonical_loops<1>({1, {kLimit + 1}}, {{{0}}})));
  EXPECT_TRUE(is_narrow(canonical_loops<1>({2, {2, 2}}, {{{kLimit - 3, 3}}})));
  EXPECT_FALSE(is_narrow(canonical_loops<1>({2, {2, 2}}, {{{kLimit - 3, 4}}})));
  EXPECT_FALSE(is_narrow(canonical_loops<1>({1, {2}}, {{{-kLimit - 1}}})));
}

}  // namespace
}  // namespace metatape::kernels
