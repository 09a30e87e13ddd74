#pragma once

// Comparisons that cannot pass on nothing: the expected numbers must be finite and not all zero.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

namespace metatape {

/// |actual[i] - expected[i]| <= tolerance * scale; scale is the largest |expected|, or more.
inline void expect_all_near(std::span<const double> actual, std::span<const double> expected,
                            double tolerance, const std::string& what, double at_least = 0) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  double scale = at_least;
  for (double value : expected) {
    ASSERT_TRUE(std::isfinite(value)) << what << ": the expected values are not finite";
    scale = std::max(scale, std::abs(value));
  }
  ASSERT_TRUE(expected.empty() || scale > 0) << what << ": the expected values are all zero";
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_LE(std::abs(actual[i] - expected[i]), tolerance * scale)
        << what << ", element " << i << ": " << actual[i] << " instead of " << expected[i];
}

inline void expect_all_zero(std::span<const double> actual, const std::string& what) {
  for (std::size_t i = 0; i < actual.size(); ++i)
    ASSERT_EQ(actual[i], 0.0) << what << ", element " << i;
}

}  // namespace metatape
