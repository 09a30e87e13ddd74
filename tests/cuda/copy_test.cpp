#include "kernels/copy/copy.h"

#include "tests/cuda/cuda_case.h"
#include "tests/support/reference.h"

namespace metatape::cuda_tests {
namespace {

using namespace kernels;
using reference::dense_strides;
using reference::draw;
using reference::Random;

using Copy = CudaTest;

/// Distinct neighbours; 251 is prime, so no stride hides a wrong element.
template <class T>
std::vector<T> numbered(std::int64_t count) {
  std::vector<T> values(count);
  for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<T>(i % 251 + 1);
  return values;
}

struct CopyCase {
  LoopNest nest;
  Extents x_strides, y_strides;
  std::int64_t x_elements, y_elements;
  std::int64_t x_offset = 0, y_offset = 0;
};

/// As the CPU's copy, into an array of zeros of which the rest must stay zero.
template <class T>
void expect_copies(const CopyCase& c) {
  const std::vector<T> x = numbered<T>(c.x_elements);
  std::vector<T> expected(c.y_elements, T(0));
  copy<T>({c.nest, c.x_strides, c.y_strides, x.data() + c.x_offset, expected.data() + c.y_offset},
          CpuContext{});
  EXPECT_EQ(
      run_repeatedly([&](const CudaContext& context) {
        const DeviceArray<T> in(x), out(std::vector<T>(c.y_elements, T(0)));
        copy<T>({c.nest, c.x_strides, c.y_strides, in + c.x_offset, out + c.y_offset}, context);
        return out.read();
      }),
      expected);
}

void expect_copies_of_every_type(const CopyCase& c) {
  expect_copies<float>(c);
  expect_copies<std::int32_t>(c);
  expect_copies<std::uint8_t>(c);
}

TEST_F(Copy, MatchesTheCpuOverRandomNests) {
  Random random(71);
  for (int trial = 0; trial < 120; ++trial) {
    SCOPED_TRACE(trial);
    const LoopNest nest = reference::random_nest(random);
    std::vector<int> y_order = reference::loop_order(nest);
    if (draw(random, 0, 1)) std::shuffle(y_order.begin(), y_order.end(), random);
    const CopyCase c{nest,
                     reference::random_strides(nest, random),
                     reference::strides_in_order(nest, ~0u, y_order),
                     nest.count() + 1,
                     nest.count() + 1,
                     draw(random, 0, 1),
                     draw(random, 0, 1)};
    expect_copies<float>(c);
    expect_copies<std::uint8_t>(c);
  }
}

TEST_F(Copy, MovesArraysOfEveryLengthAndAlignment) {
  for (std::int64_t count : {1, 3, 4, 5, 15, 16, 17, 64, 1023, 1024, 1025, 4096, 5003}) {
    for (std::int64_t offset : {0, 1, 4}) {
      SCOPED_TRACE(testing::Message() << count << " at " << offset);
      expect_copies_of_every_type({{1, {count}}, {1}, {1}, count + 4, count + 4, offset, offset});
      expect_copies_of_every_type({{1, {count}}, {1}, {1}, count + 4, count + 4, 0, offset});
    }
  }
}

// Sides around the 16 from which tiles are used, and around the 32 of a tile.
TEST_F(Copy, TransposesMatricesOfAnySize) {
  for (std::int64_t rows : {1, 2, 15, 16, 31, 32, 33, 67}) {
    for (std::int64_t columns : {3, 16, 32, 65}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << columns);
      const LoopNest nest{3, {2, rows, columns}};
      expect_copies<float>(
          {nest, {rows * columns, 1, rows}, dense_strides(nest), nest.count(), nest.count()});
      expect_copies<std::uint8_t>(
          {nest, {rows * columns, 1, rows}, dense_strides(nest), nest.count(), nest.count()});
    }
  }
}

TEST_F(Copy, PermutesImagesBetweenChannelsFirstAndLast) {
  const LoopNest first{4, {2, 24, 5, 7}}, last{4, {2, 5, 7, 24}};
  expect_copies<float>({first, {24 * 35, 1, 7 * 24, 24}, dense_strides(first), 1680, 1680});
  expect_copies<float>({last, {24 * 35, 7, 1, 35}, dense_strides(last), 1680, 1680});
}

TEST_F(Copy, WritesASliceIntoAPaddedImageAndNothingElse) {
  for (std::int64_t channels : {16, 17}) {
    const LoopNest nest{4, {3, 10, 7, channels}};
    const Extents padded{12 * 9 * channels, 9 * channels, channels, 1};
    expect_copies_of_every_type(
        {nest, dense_strides(nest), padded, nest.count(), 3 * 12 * 9 * channels, 0, 10 * channels});
  }
}

// The undefined-behaviour sanitizer finds units read or written there.
TEST_F(Copy, MovesRowsThatStartBetweenUnits) {
  const LoopNest nest{2, {6, 16}};
  expect_copies_of_every_type({nest, {17, 1}, {16, 1}, 6 * 17, 96});
  expect_copies_of_every_type({nest, {16, 1}, {17, 1}, 96, 6 * 17});
}

TEST_F(Copy, FollowsStepsAndNegativeStridesOfBothOperands) {
  const LoopNest nest{2, {20, 33}};
  expect_copies<float>({nest, {-33, 1}, {33, 1}, 660, 660, 19 * 33});
  expect_copies<float>({nest, {33, -1}, {33, 1}, 660, 660, 32});
  expect_copies<float>({nest, {1, 20}, {99, 3}, 660, 1980});
  expect_copies<float>({nest, {99, 3}, {66, 2}, 1980, 1320});
}

TEST_F(Copy, BroadcastsChannelsAndScalars) {
  const LoopNest nest{3, {19, 7, 64}};
  for (unsigned present : {0b000u, 0b001u, 0b100u, 0b101u}) {
    expect_copies_of_every_type(
        {nest, dense_strides(nest, present), dense_strides(nest), 20 * 64, nest.count()});
  }
}

TEST_F(Copy, LaunchesNothingForNoElements) {
  copy<float>({{2, {0, 3}}, {3, 1}, {3, 1}, nullptr, nullptr}, CudaContext{});
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

}  // namespace
}  // namespace metatape::cuda_tests
