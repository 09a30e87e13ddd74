#include "kernels/conv2d/conv2d.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/conv2d_reference.h"

namespace metatape::kernels {
namespace {

constexpr ConvMap kMaps[] = {ConvMap::forward, ConvMap::input_grad, ConvMap::weight_grad};

template <class T>
std::vector<T> convolved(ConvMap map, const Conv2dGeometry& g, const Operand<T>& first,
                         const Operand<T>& second, CpuContext context) {
  const std::int64_t elements = map == ConvMap::forward ? conv2d_workspace_elements(g, context)
                                : map == ConvMap::input_grad
                                    ? conv2d_input_grad_workspace_elements(g, context)
                                    : conv2d_weight_grad_workspace_elements(g, context);
  return result_of(map, g, first, second, elements, [&]<class Args>(const Args& args) {
    if constexpr (requires { args.w_bar; })
      conv2d_weight_grad(args, context);
    else if constexpr (requires { args.x_bar; })
      conv2d_input_grad(args, context);
    else
      conv2d(args, context);
  });
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

class Conv2d : public testing::TestWithParam<Conv2dGeometry> {
 protected:
  template <class T>
  void expect_matches_definition(ConvMap map) const {
    const Conv2dGeometry& g = GetParam();
    for (const auto [first_per_task, second_per_task] : kSharings) {
      const auto first = random_operand<T>(first_size(map, g), g.tasks, first_per_task, 1);
      const auto second = random_operand<T>(second_size(map, g), g.tasks, second_per_task, 2);
      const double error = largest_error(convolved(map, g, first, second, {.threads = 2}),
                                         by_definition(map, g, first, second));
      const double more = choose_method(map, g, {}) == ConvMethod::winograd && sizeof(T) == 4
                              ? tolerance::kWinogradOverDirect
                              : 1;
      EXPECT_LE(error, more * tolerance::kernel<T>(summed_terms(map, g)));
    }
  }
};

TEST_P(Conv2d, ForwardMatchesItsDefinition) {
  expect_matches_definition<float>(ConvMap::forward);
  expect_matches_definition<double>(ConvMap::forward);
}

TEST_P(Conv2d, InputGradMatchesItsDefinition) {
  expect_matches_definition<float>(ConvMap::input_grad);
  expect_matches_definition<double>(ConvMap::input_grad);
}

TEST_P(Conv2d, WeightGradMatchesItsDefinition) {
  expect_matches_definition<float>(ConvMap::weight_grad);
  expect_matches_definition<double>(ConvMap::weight_grad);
}

TEST_P(Conv2d, TheThreeMapsAreAdjoint) {
  const Conv2dGeometry& g = GetParam();
  const auto x = random_operand<double>(x_elements(g), g.tasks, true, 7);
  const auto w = random_operand<double>(filter_elements(g), g.tasks, true, 8);
  const auto y = random_operand<double>(y_elements(g), g.tasks, true, 9);
  const auto y_of_x = convolved(ConvMap::forward, g, x, w, {2});
  const double by_y = dot(y_of_x, y.values);
  ASSERT_TRUE(std::isfinite(by_y));
  ASSERT_NE(by_y, 0);
  // The sum may cancel; its rounding is relative to the lengths of its factors.
  const double allowed =
      tolerance::kExactForms * std::sqrt(dot(y_of_x, y_of_x) * dot(y.values, y.values));
  EXPECT_NEAR(dot(convolved(ConvMap::input_grad, g, y, w, {2}), x.values), by_y, allowed);
  EXPECT_NEAR(dot(convolved(ConvMap::weight_grad, g, x, y, {2}), w.values), by_y, allowed);
}

TEST_P(Conv2d, AnyNumberOfThreadsGivesTheSameBits) {
  const Conv2dGeometry& g = GetParam();
  for (const ConvMap map : kMaps)
    for (const bool second_per_task : {true, false}) {
      const auto first = random_operand<float>(first_size(map, g), g.tasks, true, 10);
      const auto second = random_operand<float>(second_size(map, g), g.tasks, second_per_task, 11);
      const auto alone = convolved(map, g, first, second, {1});
      for (const int threads : {2, 3, 5})
        EXPECT_TRUE(same_bits(alone, convolved(map, g, first, second, {threads})));
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
