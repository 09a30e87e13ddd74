#pragma once

// Convolutions of random operands, and their f64 definition, for the tests of the CPU's maps.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <random>
#include <vector>

#include "kernels/conv2d/conv2d_cpu.h"
#include "kernels/conv2d/extents.h"
#include "tests/support/tolerance.h"

namespace metatape::kernels {

inline void PrintTo(const Conv2dGeometry& g, std::ostream* os) {
  *os << "T" << g.tasks << " N" << g.images << " H" << g.height << " W" << g.width << " C"
      << g.channels << " K" << g.filters << " R" << g.filter_height << " S" << g.filter_width
      << " stride " << g.stride << " pad " << g.pad;
}

/// Which operands of a map have values of their own for each task.
struct Sharing {
  bool first_per_task, second_per_task;
};
inline constexpr Sharing kSharings[] = {{true, true}, {true, false}, {false, true}, {false, false}};

template <class T>
struct Operand {
  std::vector<T> values;
  std::int64_t task_stride;
};

template <class T>
Operand<T> random_operand(std::int64_t size, std::int64_t tasks, bool per_task, unsigned seed) {
  std::mt19937 bits(seed);
  std::uniform_real_distribution<T> uniform(-1, 1);
  Operand<T> operand{std::vector<T>(per_task ? size * tasks : size), per_task ? size : 0};
  for (T& value : operand.values) value = uniform(bits);
  return operand;
}

/// Of one task: x and w for the forward map, y_bar and w for the input gradient, x and y_bar for
/// the weight gradient, and what each of them gives.
inline std::int64_t first_size(ConvMap map, const Conv2dGeometry& g) {
  return map == ConvMap::input_grad ? y_elements(g) : x_elements(g);
}
inline std::int64_t second_size(ConvMap map, const Conv2dGeometry& g) {
  return map == ConvMap::weight_grad ? y_elements(g) : filter_elements(g);
}
inline std::int64_t result_size(ConvMap map, const Conv2dGeometry& g) {
  if (map == ConvMap::forward) return y_elements(g);
  return map == ConvMap::input_grad ? x_elements(g) : filter_elements(g);
}
/// Most terms that one element of the result sums.
inline std::int64_t summed_terms(ConvMap map, const Conv2dGeometry& g) {
  if (map == ConvMap::forward) return filter_elements(g) / g.filters;
  return map == ConvMap::input_grad ? filter_elements(g) / g.channels : y_elements(g) / g.filters;
}

/// Calls visit(task, x, w, y) with the offsets, within the task, of each product of the definition.
template <class Visit>
void for_each_product(const Conv2dGeometry& g, Visit visit) {
  const std::int64_t N = g.images, H = g.height, W = g.width, C = g.channels;
  const std::int64_t K = g.filters, R = g.filter_height, S = g.filter_width;
  const std::int64_t P = g.out_height(), Q = g.out_width();
  for (std::int64_t t = 0; t < g.tasks; ++t)
    for (std::int64_t n = 0; n < N; ++n)
      for (std::int64_t p = 0; p < P; ++p)
        for (std::int64_t q = 0; q < Q; ++q)
          for (std::int64_t k = 0; k < K; ++k)
            for (std::int64_t r = 0; r < R; ++r)
              for (std::int64_t s = 0; s < S; ++s)
                for (std::int64_t c = 0; c < C; ++c) {
                  const std::int64_t h = p * g.stride + r - g.pad, w = q * g.stride + s - g.pad;
                  if (h < 0 || h >= H || w < 0 || w >= W) continue;
                  visit(t, ((n * H + h) * W + w) * C + c, ((k * R + r) * S + s) * C + c,
                        ((n * P + p) * Q + q) * K + k);
                }
}

/// The map by its definition, in f64.
template <class T>
std::vector<double> by_definition(ConvMap map, const Conv2dGeometry& g, const Operand<T>& first,
                                  const Operand<T>& second) {
  std::vector<double> result(g.tasks * result_size(map, g));
  for_each_product(g, [&](auto t, auto x, auto w, auto y) {
    const auto a = map == ConvMap::input_grad ? y : x;
    const auto b = map == ConvMap::weight_grad ? y : w;
    const auto to = map == ConvMap::forward ? y : map == ConvMap::input_grad ? x : w;
    result[t * result_size(map, g) + to] += double(first.values[t * first.task_stride + a]) *  //
                                            double(second.values[t * second.task_stride + b]);
  });
  return result;
}

/// Output and workspace have exactly the size of the contract and start as NaN.
template <class T>
std::vector<T> unwritten(std::int64_t size) {
  return std::vector<T>(size, std::numeric_limits<T>::quiet_NaN());
}

/// Calls run(args) with the arguments of the map, and returns its result.
template <class T, class Run>
std::vector<T> result_of(ConvMap map, const Conv2dGeometry& g, const Operand<T>& first,
                         const Operand<T>& second, std::int64_t workspace_elements, Run run) {
  auto result = unwritten<T>(g.tasks * result_size(map, g));
  auto workspace = unwritten<T>(workspace_elements);
  auto call = [&]<class Args>() {
    run(Args{g, first.task_stride, second.task_stride, first.values.data(), second.values.data(),
             result.data(), workspace.data()});
  };
  if (map == ConvMap::forward) call.template operator()<Conv2dArgs<T>>();
  if (map == ConvMap::input_grad) call.template operator()<Conv2dInputGradArgs<T>>();
  if (map == ConvMap::weight_grad) call.template operator()<Conv2dWeightGradArgs<T>>();
  return result;
}

/// Largest difference, relative to the largest |reference|.
template <class T>
double largest_error(const std::vector<T>& found, const std::vector<double>& reference) {
  EXPECT_EQ(found.size(), reference.size());
  double largest = 0, error = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    largest = std::max(largest, std::abs(reference[i]));
    const double difference = std::abs(found[i] - reference[i]);
    error = std::isnan(difference) ? INFINITY : std::max(error, difference);
  }
  EXPECT_GT(largest, 0);
  EXPECT_TRUE(std::isfinite(largest));
  return error / largest;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace metatape::kernels
