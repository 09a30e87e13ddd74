// Each way in which the CPU convolves, whatever choose_method() would take.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/kernels/conv2d_reference.h"

namespace metatape::kernels {
namespace {

constexpr ConvMap kMaps[] = {ConvMap::forward, ConvMap::input_grad, ConvMap::weight_grad};
constexpr ConvMethod kMethods[] = {ConvMethod::patches, ConvMethod::few_channels,
                                   ConvMethod::onednn, ConvMethod::winograd};

std::string name(ConvMethod method) {
  return method == ConvMethod::patches        ? "patches"
         : method == ConvMethod::few_channels ? "few_channels"
         : method == ConvMethod::onednn       ? "onednn"
                                              : "winograd";
}

std::string name(ConvMap map) {
  return map == ConvMap::forward      ? "forward"
         : map == ConvMap::input_grad ? "input_grad"
                                      : "weight_grad";
}

std::vector<float> convolved(ConvMap map, ConvMethod method, const Conv2dGeometry& g,
                             const Operand<float>& first, const Operand<float>& second,
                             CpuContext context) {
  const std::int64_t elements = conv2d_workspace_elements(map, g, method, context);
  return result_of(map, g, first, second, elements, [&]<class Args>(const Args& args) {
    if constexpr (requires { args.w_bar; })
      conv2d_weight_grad(args, method, context);
    else if constexpr (requires { args.x_bar; })
      conv2d_input_grad(args, method, context);
    else
      conv2d(args, method, context);
  });
}

class Conv2dMethods : public testing::TestWithParam<Conv2dGeometry> {
 protected:
  Operand<float> first(ConvMap map, bool per_task) const {
    return random_operand<float>(first_size(map, GetParam()), GetParam().tasks, per_task, 21);
  }
  Operand<float> second(ConvMap map, bool per_task) const {
    return random_operand<float>(second_size(map, GetParam()), GetParam().tasks, per_task, 22);
  }
};

TEST_P(Conv2dMethods, EachMatchesTheDefinition) {
  const Conv2dGeometry& g = GetParam();
  for (const ConvMap map : kMaps)
    for (const auto [first_per_task, second_per_task] : kSharings) {
      const auto a = first(map, first_per_task), b = second(map, second_per_task);
      const auto reference = by_definition(map, g, a, b);
      for (const ConvMethod method : kMethods) {
        if (!supports(method, map, g)) continue;
        const double error = largest_error(convolved(map, method, g, a, b, {2}), reference);
        const double more = method == ConvMethod::winograd ? tolerance::kWinogradOverDirect : 1;
        EXPECT_LE(error, more * tolerance::kernel<float>(summed_terms(map, g)))
            << name(method) << " " << name(map);
        RecordProperty(name(method) + "_" + name(map) + "_error", fmt::format("{:.2e}", error));
      }
    }
}

TEST_P(Conv2dMethods, EachGivesTheSameBitsOnAnyNumberOfThreads) {
  const Conv2dGeometry& g = GetParam();
  for (const ConvMap map : kMaps)
    for (const bool shared : {false, true}) {
      const auto a = first(map, true), b = second(map, !shared);
      for (const ConvMethod method : kMethods) {
        if (!supports(method, map, g)) continue;
        const auto alone = convolved(map, method, g, a, b, {1});
        for (const int threads : {2, 3})
          EXPECT_TRUE(same_bits(alone, convolved(map, method, g, a, b, {threads})))
              << name(method) << " " << name(map) << " on " << threads << " threads";
      }
    }
}

// T, N, H, W, C, K, R, S, stride, pad
constexpr Conv2dGeometry kGeometries[] = {
    {1, 1, 1, 1, 1, 1, 3, 3, 1, 1},       // one pixel
    {2, 2, 1, 1, 3, 5, 3, 3, 1, 1},       // a few channels
    {3, 1, 3, 3, 5, 3, 3, 3, 1, 0},       // one result
    {2, 3, 4, 4, 8, 16, 3, 3, 1, 1},      // one tile
    {2, 2, 5, 9, 64, 65, 3, 3, 1, 1},     // a row of tiles too many; channels around the registers
    {3, 2, 6, 7, 65, 64, 3, 3, 1, 0},     // no pad
    {1, 2, 7, 5, 17, 9, 3, 3, 1, 2},      // a full pad
    {2, 25, 10, 11, 16, 24, 3, 3, 1, 1},  // several blocks of tiles
    {1, 50, 17, 18, 2, 5, 3, 3, 1, 1},    // several pieces of the weight gradient
    {1, 2, 6, 9, 5, 257, 3, 3, 1, 1},     // several slabs of filters, the last smaller
    {1, 21, 17, 18, 3, 131, 3, 3, 1, 1},  // of several pieces each
    {3, 3, 28, 28, 1, 64, 3, 3, 2, 1},    // stride 2
    {2, 5, 14, 14, 64, 32, 3, 3, 2, 1},   // with many channels
    {2, 11, 7, 7, 32, 64, 3, 3, 1, 1},  // several calls of the library for a task, the last smaller
    {2, 2, 9, 8, 4, 6, 1, 1, 1, 0},     // other filters
    {2, 2, 9, 8, 4, 6, 5, 3, 1, 2},     // of any shape
    {2, 3, 1, 1, 3, 8, 3, 3, 1, 1},     // few channels: one pixel, one register of filters
    {2, 1, 19, 84, 3, 40, 3, 3, 1, 1},  // each line a block, several pieces; a rest of registers
    {1, 40, 11, 9, 1, 8, 3, 3, 1, 1},   // blocks and pieces that cut images
    {2, 3, 9, 5, 4, 24, 5, 5, 1, 1},    // a rest of terms and of pixels; less pad than window
    {2, 7, 6, 7, 2, 16, 5, 5, 2, 0},    // stride 2 without pad; fewer pixels than a tile
    {3, 2, 8, 6, 3, 48, 1, 1, 1, 0},    // 1x1: one tile of terms
    {2, 3, 7, 8, 1, 8, 1, 1, 2, 0},     // a term; rows and columns that no window reads
    {2, 2, 3, 5, 3, 16, 2, 3, 3, 2},    // windows that lie in the pad
};

INSTANTIATE_TEST_SUITE_P(Geometries, Conv2dMethods, testing::ValuesIn(kGeometries));

constexpr Conv2dGeometry kLayer{.tasks = 2,
                                .images = 3,
                                .height = 21,
                                .width = 21,
                                .channels = 64,
                                .filters = 64,
                                .filter_height = 3,
                                .filter_width = 3,
                                .stride = 1,
                                .pad = 1};

TEST(Conv2dChoice, WinogradOnlyWhereItIsAllowedAndSupported) {
  for (const ConvMap map : kMaps) {
    EXPECT_EQ(choose_method(map, kLayer, {.winograd = true}), ConvMethod::winograd);
    EXPECT_NE(choose_method(map, kLayer, {.winograd = false}), ConvMethod::winograd);
    Conv2dGeometry strided = kLayer;
    strided.stride = 2;
    EXPECT_NE(choose_method(map, strided, {}), ConvMethod::winograd);
    EXPECT_FALSE(supports(ConvMethod::winograd, map, strided));
  }
}

TEST(Conv2dChoice, ImagesHaveOwnLoopsForTheirFewChannels) {
  Conv2dGeometry images = kLayer;
  images.channels = 1;
  for (const ConvMap map : {ConvMap::forward, ConvMap::weight_grad}) {
    EXPECT_TRUE(supports(ConvMethod::few_channels, map, images));
    EXPECT_EQ(choose_method(map, images, {}), ConvMethod::few_channels);
    EXPECT_NE(choose_method(map, kLayer, {.winograd = false}), ConvMethod::few_channels);
  }
  EXPECT_FALSE(supports(ConvMethod::few_channels, ConvMap::input_grad, images));
  images.filters = 65;
  EXPECT_FALSE(supports(ConvMethod::few_channels, ConvMap::weight_grad, images));
  EXPECT_EQ(choose_method(ConvMap::weight_grad, images, {}), ConvMethod::patches);
}

/// What Winograd's algorithm costs in accuracy on a layer, beside the direct methods.
TEST(Conv2dChoice, WinogradRoundsAFewTimesMoreThanDirect) {
  for (const ConvMap map : kMaps) {
    const auto a = random_operand<float>(first_size(map, kLayer), kLayer.tasks, true, 31);
    const auto b = random_operand<float>(second_size(map, kLayer), kLayer.tasks, true, 32);
    const auto reference = by_definition(map, kLayer, a, b);
    const double direct =
        largest_error(convolved(map, ConvMethod::patches, kLayer, a, b, {2}), reference);
    const double winograd =
        largest_error(convolved(map, ConvMethod::winograd, kLayer, a, b, {2}), reference);
    RecordProperty(name(map) + "_direct", fmt::format("{:.2e}", direct));
    RecordProperty(name(map) + "_winograd", fmt::format("{:.2e}", winograd));
    EXPECT_GT(direct, 0);
    EXPECT_LE(winograd, tolerance::kWinogradOverDirect * direct);
  }
}

/// Primitives are made by whoever needs them first: here several threads at once, for geometries
/// that no other test has.
TEST(Conv2dChoice, ConcurrentCallersMayMakeTheSamePrimitives) {
  constexpr int kCallers = 4;
  Conv2dGeometry g = kLayer;
  g.height = 13;
  g.stride = 2;
  for (const ConvMap map : kMaps) {
    const auto a = random_operand<float>(first_size(map, g), g.tasks, true, 41);
    const auto b = random_operand<float>(second_size(map, g), g.tasks, true, 42);
    std::vector<std::vector<float>> results(kCallers);
    std::vector<std::thread> callers;
    for (auto& result : results)
      callers.emplace_back([&] {
        const ConvMethod method = choose_method(map, g, {});
        result = convolved(map, method, g, a, b, {.threads = 2});
      });
    for (std::thread& caller : callers) caller.join();
    EXPECT_LE(largest_error(results[0], by_definition(map, g, a, b)),
              tolerance::kernel<float>(summed_terms(map, g)));
    for (const auto& result : results) EXPECT_TRUE(same_bits(result, results[0]));
  }
}

}  // namespace
}  // namespace metatape::kernels
