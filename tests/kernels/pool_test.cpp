#include "kernels/pool/pool.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/reference.h"
#include "tests/support/tolerance.h"

namespace metatape::kernels {
namespace {

using namespace reference;

template <class T>
class Pool : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Pool, FloatTypes);

// Even and ragged edges, overlapping and spaced windows, channels beside every block length.
constexpr PoolGeometry kGeometries[] = {
    {2, 14, 14, 64, 2, 2}, {3, 7, 5, 3, 2, 2},  {2, 9, 8, 5, 3, 2},   {2, 6, 7, 17, 3, 1},
    {1, 8, 8, 4, 1, 2},    {1, 4, 4, 1, 4, 4},  {2, 5, 5, 257, 2, 2}, {40, 10, 10, 32, 2, 2},
    {1, 11, 3, 33, 2, 3},  {0, 8, 8, 16, 2, 2},
};

std::int64_t image_count(const PoolGeometry& g) {
  return g.planes * g.height * g.width * g.channels;
}
std::int64_t pooled_count(const PoolGeometry& g) {
  return g.planes * g.out_height() * g.out_width() * g.channels;
}

using Places = std::vector<WindowPlace>;

/// Calls body(output, window): where an output is, and the first element of its window.
template <class Body>
void for_each_output(const PoolGeometry& g, const Body& body) {
  const LoopNest nest{4, {g.planes, g.out_height(), g.out_width(), g.channels}};
  std::size_t output = 0;
  for_each_index(nest, [&](const Extents& i) {
    body(output++,
         ((i[0] * g.height + i[1] * g.stride) * g.width + i[2] * g.stride) * g.channels + i[3]);
  });
}

/// Elements from the first of a window to one of its places.
std::int64_t offset_in_window(const PoolGeometry& g, std::int64_t place) {
  return (place / g.window * g.width + place % g.window) * g.channels;
}

template <class T>
Places plain_index(const PoolGeometry& g, const std::vector<T>& x) {
  Places index(pooled_count(g));
  for_each_output(g, [&](std::size_t output, std::int64_t window) {
    std::int64_t winner = 0;
    for (std::int64_t place = 1; place < g.window * g.window; ++place) {
      const T value = x[window + offset_in_window(g, place)];
      const T best = x[window + offset_in_window(g, winner)];
      if (value > best || (std::isnan(value) && !std::isnan(best))) winner = place;
    }
    index[output] = WindowPlace(winner);
  });
  return index;
}

TYPED_TEST(Pool, IndexNamesTheFirstLargestElement) {
  using T = TypeParam;
  Random random(51);
  for (const PoolGeometry& g : kGeometries) {
    std::vector<T> x = random_values<T>(image_count(g), random);
    for (T& value : x) value = std::round(value);  // many ties
    Places index(pooled_count(g), 99), index_two_threads = index;
    max_pool_index(g, x.data(), index.data(), CpuContext{.threads = 1});
    max_pool_index(g, x.data(), index_two_threads.data(), CpuContext{.threads = 2});
    EXPECT_EQ(index, plain_index(g, x));
    EXPECT_EQ(index, index_two_threads);
  }
}

TYPED_TEST(Pool, NanWinsOverEverythingAndTheFirstNanOverLaterOnes) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  const PoolGeometry g{1, 2, 8, 1, 2, 2};
  const std::vector<T> x{1, nan, inf, 2,   nan, nan, -inf, -inf,  //
                         9, 9,   5,   nan, nan, 1,   -inf, -inf};
  Places index(4);
  max_pool_index(g, x.data(), index.data(), CpuContext{});
  EXPECT_EQ(index, (Places{1, 3, 0, 0}));
  EXPECT_EQ(index, plain_index(g, x));
}

TYPED_TEST(Pool, GatherReadsTheIndexedElements) {
  using T = TypeParam;
  Random random(52);
  for (const PoolGeometry& g : kGeometries) {
    const std::vector<T> x = random_values<T>(image_count(g), random);
    const Places index = plain_index(g, x);
    std::vector<T> y(pooled_count(g)), expected(y.size());
    pool_gather(g, x.data(), index.data(), y.data(), CpuContext{.threads = 2});
    for_each_output(g, [&](std::size_t output, std::int64_t window) {
      expected[output] = x[window + offset_in_window(g, index[output])];
    });
    EXPECT_EQ(y, expected);
  }
}

TYPED_TEST(Pool, ScatterAddsWhereWindowsOverlapAndZeroesTheRest) {
  using T = TypeParam;
  Random random(53);
  for (const PoolGeometry& g : kGeometries) {
    const std::vector<T> x = random_values<T>(image_count(g), random);
    const std::vector<T> y_bar = random_values<T>(pooled_count(g), random);
    const Places index = plain_index(g, x);
    std::vector<T> x_bar(x.size(), T(9)), x_bar_two_threads = x_bar;
    pool_scatter(g, y_bar.data(), index.data(), x_bar.data(), CpuContext{.threads = 1});
    pool_scatter(g, y_bar.data(), index.data(), x_bar_two_threads.data(), CpuContext{.threads = 2});
    std::vector<double> expected(x.size());
    for_each_output(g, [&](std::size_t output, std::int64_t window) {
      expected[window + offset_in_window(g, index[output])] += double(y_bar[output]);
    });
    expect_close(x_bar, expected, tolerance::kernel<T>(g.window * g.window));
    EXPECT_TRUE(same_bits(x_bar, x_bar_two_threads));
  }
}

}  // namespace
}  // namespace metatape::kernels
