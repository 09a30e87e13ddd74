#pragma once

// Plain references for kernel tests: multi-indices, dense and random operands of a loop nest, and
// comparisons that refuse a reference which is not finite or all zero.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/common/extents.h"

namespace metatape::reference {

using kernels::Extents;
using kernels::LoopNest;

/// Calls body(index) for every index of the nest, in loop order.
template <class Body>
void for_each_index(const LoopNest& nest, const Body& body) {
  const std::int64_t count = nest.count();
  for (std::int64_t i = 0; i < count; ++i) {
    Extents index{};
    std::int64_t rest = i;
    for (int d = nest.rank - 1; d >= 0; --d) {
      index[d] = rest % nest.extents[d];
      rest /= nest.extents[d];
    }
    body(index);
  }
}

inline std::int64_t offset_of(const LoopNest& nest, const Extents& index, const Extents& strides) {
  std::int64_t offset = 0;
  for (int d = 0; d < nest.rank; ++d) offset += index[d] * strides[d];
  return offset;
}

/// Strides of a dense value over the loops in `present`, laid out in the given order of loops
/// (outermost first); 0 for the others.
inline Extents strides_in_order(const LoopNest& nest, unsigned present,
                                const std::vector<int>& order) {
  Extents strides{};
  std::int64_t step = 1;
  for (auto d = order.rbegin(); d != order.rend(); ++d) {
    if ((present >> *d & 1u) == 0) continue;
    strides[*d] = step;
    step *= nest.extents[*d];
  }
  return strides;
}

inline std::vector<int> loop_order(const LoopNest& nest) {
  std::vector<int> order;
  for (int d = 0; d < nest.rank; ++d) order.push_back(d);
  return order;
}

inline Extents dense_strides(const LoopNest& nest, unsigned present = ~0u) {
  return strides_in_order(nest, present, loop_order(nest));
}

/// Elements of the loops in `present`.
inline std::int64_t count_of(const LoopNest& nest, unsigned present) {
  std::int64_t n = 1;
  for (int d = 0; d < nest.rank; ++d) n *= (present >> d & 1u) ? nest.extents[d] : 1;
  return n;
}

using Random = std::mt19937_64;

inline std::int64_t draw(Random& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

/// A nest of 0 to 6 loops with extents 1, small, prime, or (one in 25) 0.
inline LoopNest random_nest(Random& random) {
  static constexpr std::int64_t kExtents[] = {1, 1, 2, 3, 4, 5, 7, 8, 13, 16, 31};
  LoopNest nest{static_cast<int>(draw(random, 0, kernels::kMaxRank)), {}};
  for (int d = 0; d < nest.rank; ++d) {
    nest.extents[d] = draw(random, 0, 24) == 0 ? 0 : kExtents[draw(random, 0, 10)];
    if (nest.count() > 40000) nest.extents[d] = 1;
  }
  return nest;
}

/// Strides of a permuted operand that repeats along some loops.
inline Extents random_strides(const LoopNest& nest, Random& random) {
  std::vector<int> order = loop_order(nest);
  if (draw(random, 0, 2) == 0) std::shuffle(order.begin(), order.end(), random);
  const unsigned present = draw(random, 0, 1) ? ~0u : static_cast<unsigned>(draw(random, 0, 63));
  return strides_in_order(nest, present, order);
}

/// Values in [low, high), the same for every type up to rounding.
template <class T>
std::vector<T> random_values(std::int64_t count, Random& random, double low = -2, double high = 2) {
  std::uniform_real_distribution<double> distribution(low, high);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(distribution(random));
  return values;
}

template <class T>
bool same_bits(const std::vector<T>& x, const std::vector<T>& y) {
  return x.size() == y.size() &&
         (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0);
}

/// |actual[i] - expected[i]| <= tolerance * scale[i].
template <class T>
void expect_close(const std::vector<T>& actual, const std::vector<double>& expected,
                  double tolerance, const std::vector<double>& scale) {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 0;
  for (double value : expected) {
    ASSERT_TRUE(std::isfinite(value));
    largest = std::max(largest, std::abs(value));
  }
  ASSERT_TRUE(expected.empty() || largest > 0) << "the reference is all zero";
  for (std::size_t i = 0; i < actual.size(); ++i) {
    ASSERT_LE(std::abs(double(actual[i]) - expected[i]), tolerance * scale[i])
        << "element " << i << ": " << actual[i] << " instead of " << expected[i];
  }
}

/// Each element to `tolerance` of itself, or of 1 if it is smaller.
template <class T>
void expect_close(const std::vector<T>& actual, const std::vector<double>& expected,
                  double tolerance) {
  std::vector<double> scale;
  for (double value : expected) scale.push_back(std::max(1.0, std::abs(value)));
  expect_close(actual, expected, tolerance, scale);
}

}  // namespace metatape::reference
