#include "kernels/copy/copy.h"

#include <gtest/gtest.h>

#include "tests/support/reference.h"

namespace metatape::kernels {
namespace {

using namespace reference;

template <class T>
class Copy : public testing::Test {};
using ElementTypes = testing::Types<float, double, std::int32_t, std::uint8_t>;
TYPED_TEST_SUITE(Copy, ElementTypes);

/// Distinct neighbours; 251 is prime, so no stride hides a wrong element.
template <class T>
std::vector<T> numbered(std::int64_t count) {
  std::vector<T> values(count);
  for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<T>(i % 251 + 1);
  return values;
}

/// Copies into a larger y of zeros at `y_offset`; every other element must stay 0.
template <class T>
void expect_copies(const LoopNest& nest, const Extents& x_strides, const Extents& y_strides,
                   const std::vector<T>& x, std::int64_t y_elements, std::int64_t y_offset = 0) {
  std::vector<T> expected(y_elements, T(0)), y = expected, y_two_threads = expected;
  for_each_index(nest, [&](const Extents& index) {
    expected[y_offset + offset_of(nest, index, y_strides)] = x[offset_of(nest, index, x_strides)];
  });
  copy<T>({nest, x_strides, y_strides, x.data(), y.data() + y_offset}, CpuContext{.threads = 1});
  copy<T>({nest, x_strides, y_strides, x.data(), y_two_threads.data() + y_offset},
          CpuContext{.threads = 2});
  EXPECT_EQ(y, expected);
  EXPECT_EQ(y_two_threads, expected);
}

TYPED_TEST(Copy, MatchesPlainLoopsOverRandomNests) {
  using T = TypeParam;
  Random random(21);
  for (int trial = 0; trial < 200; ++trial) {
    SCOPED_TRACE(trial);
    const LoopNest nest = random_nest(random);
    std::vector<int> y_order = loop_order(nest);
    if (draw(random, 0, 1)) std::shuffle(y_order.begin(), y_order.end(), random);
    expect_copies<T>(nest, random_strides(nest, random), strides_in_order(nest, ~0u, y_order),
                     numbered<T>(nest.count() + 1), nest.count() + 1);
  }
}

TYPED_TEST(Copy, TransposesMatricesOfAnySize) {
  using T = TypeParam;
  for (std::int64_t rows : {1, 15, 16, 17, 67, 256}) {
    for (std::int64_t columns : {2, 16, 31, 300}) {
      const LoopNest nest{3, {2, rows, columns}};
      expect_copies<T>(nest, {rows * columns, 1, rows}, dense_strides(nest),
                       numbered<T>(nest.count()), nest.count());
    }
  }
}

TYPED_TEST(Copy, WritesASliceIntoAPaddedImageAndNothingElse) {
  using T = TypeParam;
  const LoopNest nest{4, {3, 40, 28, 17}};
  const Extents padded{42 * 30 * 17, 30 * 17, 17, 1};
  expect_copies<T>(nest, dense_strides(nest), padded, numbered<T>(nest.count()), 3 * 42 * 30 * 17,
                   31 * 17);
}

TYPED_TEST(Copy, BroadcastsChannelsAndScalars) {
  using T = TypeParam;
  const LoopNest nest{3, {19, 37, 64}};
  for (unsigned present : {0b000u, 0b001u, 0b100u, 0b101u}) {
    expect_copies<T>(nest, dense_strides(nest, present), dense_strides(nest), numbered<T>(20 * 64),
                     nest.count());
  }
}

}  // namespace
}  // namespace metatape::kernels
