#include "kernels/conv2d/conv2d.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <random>
#include <vector>

#include "tests/support/tolerance.h"

namespace metatape::kernels {

void PrintTo(const Conv2dGeometry& g, std::ostream* os) {
  *os << "T" << g.tasks << " N" << g.images << " H" << g.height << " W" << g.width << " C"
      << g.channels << " K" << g.filters << " R" << g.filter_height << " S" << g.filter_width
      << " stride " << g.stride << " pad " << g.pad;
}

namespace {

/// Elements of one task.
std::int64_t x_size(const Conv2dGeometry& g) { return g.images * g.height * g.width * g.channels; }
std::int64_t w_size(const Conv2dGeometry& g) {
  return g.filters * g.filter_height * g.filter_width * g.channels;
}
std::int64_t y_size(const Conv2dGeometry& g) {
  return g.images * g.out_height() * g.out_width() * g.filters;
}

/// Which operands of a map have values of their own for each task.
struct Sharing {
  bool first_per_task, second_per_task;
};
constexpr Sharing kSharings[] = {{true, true}, {true, false}, {false, true}, {false, false}};

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

/// Output and workspace have exactly the size of the contract and start as NaN.
template <class T>
std::vector<T> unwritten(std::int64_t size) {
  return std::vector<T>(size, std::numeric_limits<T>::quiet_NaN());
}

template <class T>
std::vector<T> forward(const Conv2dGeometry& g, const Operand<T>& x, const Operand<T>& w,
                       CpuContext context) {
  auto y = unwritten<T>(g.tasks * y_size(g));
  auto workspace = unwritten<T>(conv2d_workspace_elements(g, context));
  conv2d<T>({g, x.task_stride, w.task_stride, x.values.data(), w.values.data(), y.data(),
             workspace.data()},
            context);
  return y;
}

template <class T>
std::vector<T> input_grad(const Conv2dGeometry& g, const Operand<T>& y_bar, const Operand<T>& w,
                          CpuContext context) {
  auto x_bar = unwritten<T>(g.tasks * x_size(g));
  auto workspace = unwritten<T>(conv2d_input_grad_workspace_elements(g, context));
  conv2d_input_grad<T>({g, y_bar.task_stride, w.task_stride, y_bar.values.data(), w.values.data(),
                        x_bar.data(), workspace.data()},
                       context);
  return x_bar;
}

template <class T>
std::vector<T> weight_grad(const Conv2dGeometry& g, const Operand<T>& x, const Operand<T>& y_bar,
                           CpuContext context) {
  auto w_bar = unwritten<T>(g.tasks * w_size(g));
  auto workspace = unwritten<T>(conv2d_weight_grad_workspace_elements(g, context));
  conv2d_weight_grad<T>({g, x.task_stride, y_bar.task_stride, x.values.data(), y_bar.values.data(),
                         w_bar.data(), workspace.data()},
                        context);
  return w_bar;
}

template <class T>
void expect_near_reference(const std::vector<T>& found, const std::vector<double>& reference,
                           std::int64_t reduced_terms) {
  ASSERT_EQ(found.size(), reference.size());
  double largest = 0;
  for (double value : reference) largest = std::max(largest, std::abs(value));
  ASSERT_GT(largest, 0);
  ASSERT_TRUE(std::isfinite(largest));
  const double allowed = tolerance::kernel<T>(reduced_terms) * largest;
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], reference[i], allowed) << "element " << i;
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

class Conv2d : public testing::TestWithParam<Conv2dGeometry> {
 protected:
  template <class T>
  void expect_forward_matches_its_definition() const {
    const Conv2dGeometry& g = GetParam();
    for (const auto [x_per_task, w_per_task] : kSharings) {
      const auto x = random_operand<T>(x_size(g), g.tasks, x_per_task, 1);
      const auto w = random_operand<T>(w_size(g), g.tasks, w_per_task, 2);
      std::vector<double> y(g.tasks * y_size(g));
      for_each_product(g, [&](auto t, auto ix, auto iw, auto iy) {
        y[t * y_size(g) + iy] += double(x.values[t * x.task_stride + ix]) *  //
                                 double(w.values[t * w.task_stride + iw]);
      });
      expect_near_reference(forward(g, x, w, {2}), y, w_size(g) / g.filters);
    }
  }

  template <class T>
  void expect_input_grad_matches_its_definition() const {
    const Conv2dGeometry& g = GetParam();
    for (const auto [y_per_task, w_per_task] : kSharings) {
      const auto y_bar = random_operand<T>(y_size(g), g.tasks, y_per_task, 3);
      const auto w = random_operand<T>(w_size(g), g.tasks, w_per_task, 4);
      std::vector<double> x_bar(g.tasks * x_size(g));
      for_each_product(g, [&](auto t, auto ix, auto iw, auto iy) {
        x_bar[t * x_size(g) + ix] += double(y_bar.values[t * y_bar.task_stride + iy]) *
                                     double(w.values[t * w.task_stride + iw]);
      });
      expect_near_reference(input_grad(g, y_bar, w, {2}), x_bar, w_size(g) / g.channels);
    }
  }

  template <class T>
  void expect_weight_grad_matches_its_definition() const {
    const Conv2dGeometry& g = GetParam();
    for (const auto [x_per_task, y_per_task] : kSharings) {
      const auto x = random_operand<T>(x_size(g), g.tasks, x_per_task, 5);
      const auto y_bar = random_operand<T>(y_size(g), g.tasks, y_per_task, 6);
      std::vector<double> w_bar(g.tasks * w_size(g));
      for_each_product(g, [&](auto t, auto ix, auto iw, auto iy) {
        w_bar[t * w_size(g) + iw] += double(x.values[t * x.task_stride + ix]) *
                                     double(y_bar.values[t * y_bar.task_stride + iy]);
      });
      expect_near_reference(weight_grad(g, x, y_bar, {2}), w_bar, y_size(g) / g.filters);
    }
  }
};

TEST_P(Conv2d, ForwardMatchesItsDefinition) {
  expect_forward_matches_its_definition<float>();
  expect_forward_matches_its_definition<double>();
}

TEST_P(Conv2d, InputGradMatchesItsDefinition) {
  expect_input_grad_matches_its_definition<float>();
  expect_input_grad_matches_its_definition<double>();
}

TEST_P(Conv2d, WeightGradMatchesItsDefinition) {
  expect_weight_grad_matches_its_definition<float>();
  expect_weight_grad_matches_its_definition<double>();
}

TEST_P(Conv2d, TheThreeMapsAreAdjoint) {
  const Conv2dGeometry& g = GetParam();
  const auto x = random_operand<double>(x_size(g), g.tasks, true, 7);
  const auto w = random_operand<double>(w_size(g), g.tasks, true, 8);
  const auto y = random_operand<double>(y_size(g), g.tasks, true, 9);
  const auto convolved = forward(g, x, w, {2});
  const double by_y = dot(convolved, y.values);
  ASSERT_TRUE(std::isfinite(by_y));
  ASSERT_NE(by_y, 0);
  // The sum may cancel; its rounding is relative to the lengths of its factors.
  const double scale = std::sqrt(dot(convolved, convolved) * dot(y.values, y.values));
  EXPECT_NEAR(dot(input_grad(g, y, w, {2}), x.values), by_y, tolerance::kExactForms * scale);
  EXPECT_NEAR(dot(weight_grad(g, x, y, {2}), w.values), by_y, tolerance::kExactForms * scale);
}

TEST_P(Conv2d, AnyNumberOfThreadsGivesTheSameBits) {
  const Conv2dGeometry& g = GetParam();
  for (const bool w_per_task : {true, false}) {
    const auto x = random_operand<float>(x_size(g), g.tasks, true, 10);
    const auto w = random_operand<float>(w_size(g), g.tasks, w_per_task, 11);
    const auto y = random_operand<float>(y_size(g), g.tasks, true, 12);
    for (const int threads : {2, 5}) {
      EXPECT_TRUE(same_bits(forward(g, x, w, {1}), forward(g, x, w, {threads})));
      EXPECT_TRUE(same_bits(input_grad(g, y, w, {1}), input_grad(g, y, w, {threads})));
      EXPECT_TRUE(same_bits(weight_grad(g, x, y, {1}), weight_grad(g, x, y, {threads})));
    }
  }
}

// T, N, H, W, C, K, R, S, stride, pad
constexpr Conv2dGeometry kGeometries[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0},     // one product
    {3, 5, 1, 1, 7, 11, 1, 1, 1, 0},    // one pixel
    {2, 3, 1, 1, 5, 7, 3, 3, 2, 1},     // windows mostly outside
    {3, 2, 7, 5, 13, 11, 1, 1, 1, 0},   // patches are the images, 1x1
    {3, 2, 7, 5, 3, 11, 7, 5, 3, 0},    // patches are the images, whole
    {2, 3, 7, 7, 5, 3, 1, 1, 2, 0},     // stride over unread pixels
    {2, 3, 11, 7, 5, 3, 2, 1, 3, 0},    // and unread rows
    {2, 1, 5, 3, 2, 3, 1, 1, 1, 2},     // pad that no filter needs
    {2, 2, 3, 5, 3, 2, 2, 3, 3, 2},     // stride and pad together
    {5, 5, 28, 28, 1, 17, 3, 3, 2, 1},  // one channel
    {3, 5, 29, 23, 3, 13, 3, 3, 1, 1},  // several blocks and partial sums
    {1, 7, 31, 19, 5, 7, 5, 3, 1, 2},   // one task
    {1, 1, 61, 67, 3, 8, 3, 5, 1, 2},   // one image of several blocks
    {2, 5, 7, 7, 64, 65, 3, 3, 2, 1},   // channels around the vector width
    {40, 3, 4, 5, 31, 8, 3, 3, 2, 1},   // more tasks than pieces
    {1, 2, 4, 3, 640, 5, 3, 3, 1, 1},   // many channels
    {2, 1, 2, 900, 2, 3, 1, 3, 1, 1},   // a line longer than a block
};

INSTANTIATE_TEST_SUITE_P(Geometries, Conv2d, testing::ValuesIn(kGeometries));

}  // namespace
}  // namespace metatape::kernels
