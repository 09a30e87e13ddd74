#include "kernels/common/strided_loops.h"

#include <gtest/gtest.h>

#include "tests/support/reference.h"

namespace metatape::kernels {
namespace {

using namespace reference;

TEST(StridedLoops, MergeDenseOperandsIntoOneLoop) {
  const LoopNest nest{5, {3, 1, 4, 5, 1}};
  const auto loops = canonical_loops<2>(nest, {dense_strides(nest), dense_strides(nest)});
  ASSERT_EQ(loops.rank(), 1);
  EXPECT_EQ(loops[0].extent, 60);
  EXPECT_EQ(loops[0].strides, (Offsets<2>{1, 1}));
}

TEST(StridedLoops, MergeOnlyWhereEveryOperandContinues) {
  const LoopNest nest{4, {3, 4, 5, 6}};
  const auto loops = canonical_loops<2>(nest, {dense_strides(nest), dense_strides(nest, 0b1001)});
  ASSERT_EQ(loops.rank(), 3);
  EXPECT_EQ(loops[1].extent, 20);
  EXPECT_EQ(loops[1].strides, (Offsets<2>{6, 0}));
}

TEST(StridedLoops, KeepOverlappingWindowsApart) {
  const auto loops = canonical_loops<1>({2, {3, 4}}, {Extents{1, 1}});
  EXPECT_EQ(loops.rank(), 2);
}

TEST(StridedLoops, SelectLoopsByBit) {
  const LoopNest nest{3, {3, 4, 5}};
  const auto loops = canonical_loops<1>(nest, {dense_strides(nest)}, 0b101);
  ASSERT_EQ(loops.rank(), 2);
  EXPECT_EQ(loops[0].strides[0], 20);
  EXPECT_EQ(loops.count(), 15);
}

TEST(StridedLoops, RunsCoverAnyRangeOnceAndInOrder) {
  const LoopNest nest{3, {3, 4, 5}};
  const Extents strides{100, 7, 1};
  const auto loops = canonical_loops<1>(nest, {strides});
  std::vector<std::int64_t> expected;
  for_each_index(nest, [&](const Extents& i) { expected.push_back(offset_of(nest, i, strides)); });
  for (std::int64_t begin = 0; begin <= 60; ++begin) {
    for (std::int64_t end = begin; end <= 60; ++end) {
      std::int64_t position = begin;
      for_each_run(loops, begin, end,
                   [&](std::int64_t first, std::int64_t length, const Offsets<1>& offsets) {
                     ASSERT_EQ(first, position);
                     for (std::int64_t i = 0; i < length; ++i) {
                       ASSERT_EQ(offsets[0] + i, expected[position++]);
                     }
                   });
      ASSERT_EQ(position, end);
    }
  }
}

TEST(StridedLoops, OfRankZeroAreOneElement) {
  int runs = 0;
  for_each_run(canonical_loops<1>({0, {}}, {Extents{}}), 0, 1,
               [&](std::int64_t, std::int64_t length, const Offsets<1>& offsets) {
                 EXPECT_EQ(length, 1);
                 EXPECT_EQ(offsets[0], 0);
                 ++runs;
               });
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace metatape::kernels
