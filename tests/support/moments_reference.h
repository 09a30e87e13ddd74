#pragma once

#include "kernels/moments/moments.h"
#include "tests/support/reference.h"

namespace metatape::reference {

struct MomentsShape {
  std::int64_t tasks, rows, columns;
};

/// One row, fewer columns than a vector, many, and rows around the blocks, segments and lanes of
/// both devices.
inline constexpr MomentsShape kMomentsShapes[] = {
    {1, 1, 1},   {3, 2, 5},      {2, 31, 64},  {2, 33, 64},   {1, 4097, 3},   {2, 1025, 64},
    {3, 700, 8}, {1, 3000, 257}, {4, 50, 300}, {1, 70001, 1}, {2, 20000, 20}, {1, 2, 1030},
};

/// Values around a mean that is a hundred times their deviation, another in each column: a
/// difference of two sums would lose four of its digits.
template <class T>
std::vector<T> values_off_zero(const MomentsShape& s, Random& random) {
  std::vector<T> x = random_values<T>(s.tasks * s.rows * s.columns, random, -1, 1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += T(50 + 7 * (std::int64_t(i) % s.columns % 11));
  return x;
}

/// By definition, in long double: 70,001 additions in double would be as far off as the kernel.
template <class T>
std::vector<double> plain_moments(const MomentsShape& s, const std::vector<T>& x) {
  std::vector<double> y(std::size_t(s.tasks * 2 * s.columns));
  for (std::int64_t t = 0; t < s.tasks; ++t)
    for (std::int64_t c = 0; c < s.columns; ++c) {
      const auto at = [&](std::int64_t r) {
        return static_cast<long double>(x[std::size_t((t * s.rows + r) * s.columns + c)]);
      };
      long double sum = 0, deviations = 0;
      for (std::int64_t r = 0; r < s.rows; ++r) sum += at(r);
      const long double mean = sum / static_cast<long double>(s.rows);
      for (std::int64_t r = 0; r < s.rows; ++r) deviations += (at(r) - mean) * (at(r) - mean);
      y[std::size_t(2 * t * s.columns + c)] = double(mean);
      y[std::size_t((2 * t + 1) * s.columns + c)] = double(deviations);
    }
  return y;
}

/// What rounding is relative to. Joining two pieces multiplies the difference of their means, each
/// off by a rounding of the mean, so the deviations are off by a rounding of mean times deviation.
inline std::vector<double> moments_scale(const MomentsShape& s, const std::vector<double>& y) {
  std::vector<double> scale = y;
  for (std::int64_t t = 0; t < s.tasks; ++t)
    for (std::int64_t c = 0; c < s.columns; ++c) {
      const double mean = std::abs(y[std::size_t(2 * t * s.columns + c)]);
      const auto at = std::size_t((2 * t + 1) * s.columns + c);
      scale[at] = y[at] + mean * std::sqrt(y[at] * double(s.rows));
    }
  return scale;
}

}  // namespace metatape::reference
