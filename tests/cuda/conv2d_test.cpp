#include "kernels/conv2d/conv2d.h"

#include <limits>
#include <ostream>

#include "kernels/conv2d/conv2d_plan.h"
#include "tests/cuda/cuda_case.h"

namespace metatape::kernels {

void PrintTo(const Conv2dGeometry& g, std::ostream* os) {
  *os << "T" << g.tasks << " N" << g.images << " H" << g.height << " W" << g.width << " C"
      << g.channels << " K" << g.filters << " R" << g.filter_height << " S" << g.filter_width
      << " stride " << g.stride << " pad " << g.pad;
}

namespace {

using cuda_tests::DeviceArray;
using cuda_tests::expect_near;
using cuda_tests::random_values;
using cuda_tests::run_repeatedly;
using cuda_tests::to_double;

/// Elements of one task.
std::int64_t x_size(const Conv2dGeometry& g) { return g.images * g.height * g.width * g.channels; }
std::int64_t w_size(const Conv2dGeometry& g) {
  return g.filters * g.filter_height * g.filter_width * g.channels;
}
std::int64_t y_size(const Conv2dGeometry& g) {
  return g.images * g.out_height() * g.out_width() * g.filters;
}

struct Operand {
  std::vector<float> values;
  std::int64_t task_stride;
};

Operand random_operand(std::int64_t size, std::int64_t tasks, bool per_task, std::uint64_t seed) {
  return {random_values(per_task ? size * tasks : size, seed), per_task ? size : 0};
}

// The three maps under common names: elements of one task of the operands and of the result, terms
// of each sum, and the call, for the CPU, for the device, or for the device by a given plan.

struct Forward {
  static constexpr const char* kName = "forward";
  static std::int64_t first_size(const Conv2dGeometry& g) { return x_size(g); }
  static std::int64_t second_size(const Conv2dGeometry& g) { return w_size(g); }
  static std::int64_t result_size(const Conv2dGeometry& g) { return y_size(g); }
  static std::int64_t terms(const Conv2dGeometry& g) { return w_size(g) / g.filters; }
  static std::int64_t workspace(const Conv2dGeometry& g, const auto& context) {
    return conv2d_workspace_elements(g, context);
  }
  template <class T>
  using Args = Conv2dArgs<T>;
  static void run(const auto& args, const auto&... context) { conv2d(args, context...); }
  static Conv2dPlan plan(const Conv2dGeometry& g) { return plan_conv2d(g, Precision::fp32); }
};

struct InputGrad {
  static constexpr const char* kName = "input gradient";
  static std::int64_t first_size(const Conv2dGeometry& g) { return y_size(g); }
  static std::int64_t second_size(const Conv2dGeometry& g) { return w_size(g); }
  static std::int64_t result_size(const Conv2dGeometry& g) { return x_size(g); }
  static std::int64_t terms(const Conv2dGeometry& g) { return w_size(g) / g.channels; }
  static std::int64_t workspace(const Conv2dGeometry& g, const auto& context) {
    return conv2d_input_grad_workspace_elements(g, context);
  }
  template <class T>
  using Args = Conv2dInputGradArgs<T>;
  static void run(const auto& args, const auto&... context) { conv2d_input_grad(args, context...); }
  static Conv2dPlan plan(const Conv2dGeometry& g) {
    return plan_conv2d_input_grad(g, Precision::fp32);
  }
};

struct WeightGrad {
  static constexpr const char* kName = "weight gradient";
  static std::int64_t first_size(const Conv2dGeometry& g) { return x_size(g); }
  static std::int64_t second_size(const Conv2dGeometry& g) { return y_size(g); }
  static std::int64_t result_size(const Conv2dGeometry& g) { return w_size(g); }
  static std::int64_t terms(const Conv2dGeometry& g) { return y_size(g) / g.filters; }
  static std::int64_t workspace(const Conv2dGeometry& g, const auto& context) {
    return conv2d_weight_grad_workspace_elements(g, context);
  }
  template <class T>
  using Args = Conv2dWeightGradArgs<T>;
  static void run(const auto& args, const auto&... context) {
    conv2d_weight_grad(args, context...);
  }
  static Conv2dPlan plan(const Conv2dGeometry& g) {
    return plan_conv2d_weight_grad(g, Precision::fp32);
  }
};

/// f64 from the same values.
template <class Map>
std::vector<double> reference(const Conv2dGeometry& g, const Operand& first,
                              const Operand& second) {
  const CpuContext context;
  const std::vector<double> a = to_double(first.values), b = to_double(second.values);
  std::vector<double> result(g.tasks * Map::result_size(g)), workspace(Map::workspace(g, context));
  Map::run(typename Map::template Args<double>{g, first.task_stride, second.task_stride, a.data(),
                                               b.data(), result.data(), workspace.data()},
           context);
  return result;
}

/// On the device, into memory that was NaN. `how`: the context, behind a plan if that is forced.
template <class Map, class... How>
std::vector<float> on_device(const Conv2dGeometry& g, const Operand& first, const Operand& second,
                             std::int64_t workspace_elements, const How&... how) {
  const DeviceArray<float> a(first.values), b(second.values), result(g.tasks * Map::result_size(g)),
      workspace(workspace_elements);
  Map::run(typename Map::template Args<float>{g, first.task_stride, second.task_stride, a.get(),
                                              b.get(), result.get(), workspace.get()},
           how...);
  return result.read();
}

template <class Map>
std::vector<float> on_device(const Conv2dGeometry& g, const Operand& first, const Operand& second,
                             const CudaContext& context) {
  return on_device<Map>(g, first, second, Map::workspace(g, context), context);
}

template <class Map>
std::vector<float> by_plan(const Conv2dGeometry& g, const Operand& first, const Operand& second,
                           const Conv2dPlan& plan) {
  return on_device<Map>(g, first, second, plan.parts * g.tasks * Map::result_size(g), plan,
                        CudaContext{});
}

/// Calls check.operator()<Map>() for each of the three.
template <class Check>
void for_each_map(const Check& check) {
  const auto named = [&]<class Map>() {
    SCOPED_TRACE(Map::kName);
    check.template operator()<Map>();
  };
  named.template operator()<Forward>();
  named.template operator()<InputGrad>();
  named.template operator()<WeightGrad>();
}

class Conv2dGeometries : public cuda_tests::CudaTest,
                         public testing::WithParamInterface<Conv2dGeometry> {};

TEST_P(Conv2dGeometries, EachMapIsTheCpusInEveryOrderOfThreads) {
  const Conv2dGeometry& g = GetParam();
  for_each_map([&]<class Map>() {
    const Operand first = random_operand(Map::first_size(g), g.tasks, true, 1);
    const Operand second = random_operand(Map::second_size(g), g.tasks, true, 2);
    const auto result = run_repeatedly(
        [&](const CudaContext& context) { return on_device<Map>(g, first, second, context); });
    expect_near(result, reference<Map>(g, first, second), tolerance::kernel<float>(Map::terms(g)));
  });
}

TEST_P(Conv2dGeometries, OperandsMayBeSharedByTheTasks) {
  const Conv2dGeometry& g = GetParam();
  for_each_map([&]<class Map>() {
    for (const auto& [first_per_task, second_per_task] :
         {std::pair{true, false}, {false, true}, {false, false}}) {
      const Operand first = random_operand(Map::first_size(g), g.tasks, first_per_task, 3);
      const Operand second = random_operand(Map::second_size(g), g.tasks, second_per_task, 4);
      expect_near(on_device<Map>(g, first, second, CudaContext{}), reference<Map>(g, first, second),
                  tolerance::kernel<float>(Map::terms(g)));
    }
  });
}

TEST_P(Conv2dGeometries, EveryArithmeticAndBlockShapeAgreesWithTheCpu) {
  const Conv2dGeometry& g = GetParam();
  for_each_map([&]<class Map>() {
    const Operand first = random_operand(Map::first_size(g), g.tasks, true, 5);
    const Operand second = random_operand(Map::second_size(g), g.tasks, true, 6);
    const std::vector<double> expected = reference<Map>(g, first, second);
    const double f32 = tolerance::kernel<float>(Map::terms(g));
    Conv2dPlan plan = Map::plan(g);
    plan.arithmetic = Arithmetic::fma;
    expect_near(by_plan<Map>(g, first, second, plan), expected, f32);
    for (const BlockShape shape : {BlockShape::r128c64, BlockShape::r64c64, BlockShape::r32c32}) {
      plan.shape = shape;
      plan.arithmetic = Arithmetic::compensated;
      expect_near(by_plan<Map>(g, first, second, plan), expected, f32);
      plan.arithmetic = Arithmetic::tf32;
      expect_near(by_plan<Map>(g, first, second, plan), expected, tolerance::kTf32);
    }
  });
}

TEST_P(Conv2dGeometries, TheThreeMapsAreAdjoint) {
  const Conv2dGeometry& g = GetParam();
  const CudaContext context;
  const Operand x = random_operand(x_size(g), g.tasks, true, 7);
  const Operand w = random_operand(w_size(g), g.tasks, true, 8);
  const Operand y_bar = random_operand(y_size(g), g.tasks, true, 9);
  const auto dot = [](const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * double(b[i]);
    return sum;
  };
  const auto y = on_device<Forward>(g, x, w, context);
  const double by_y = dot(y, y_bar.values);
  ASSERT_TRUE(std::isfinite(by_y));
  ASSERT_NE(by_y, 0);
  // The sums may cancel; their rounding is relative to the lengths of the factors.
  const double allowed = tolerance::kernel<float>(Forward::terms(g)) *
                         std::sqrt(dot(y, y) * dot(y_bar.values, y_bar.values));
  EXPECT_NEAR(dot(on_device<InputGrad>(g, y_bar, w, context), x.values), by_y, allowed);
  EXPECT_NEAR(dot(on_device<WeightGrad>(g, x, y_bar, context), w.values), by_y, allowed);
}

// T, N, H, W, C, K, R, S, stride, pad
constexpr Conv2dGeometry kGeometries[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0},     // one product
    {3, 5, 1, 1, 7, 11, 1, 1, 1, 0},    // one pixel
    {2, 3, 1, 1, 5, 7, 3, 3, 2, 1},     // windows mostly outside
    {2, 3, 7, 7, 5, 3, 1, 1, 2, 0},     // stride over unread pixels: classes without taps
    {2, 2, 11, 7, 5, 3, 2, 1, 3, 0},    // and unread rows
    {2, 1, 5, 3, 2, 3, 1, 1, 1, 2},     // pad that no filter needs
    {2, 2, 3, 5, 3, 2, 2, 3, 3, 2},     // stride and pad together
    {1, 1, 6, 2, 4, 4, 2, 2, 5, 1},     // more classes than pixels across
    {2, 2, 9, 8, 1, 17, 3, 3, 2, 1},    // one channel
    {2, 1, 13, 11, 3, 10, 3, 3, 1, 1},  // three channels
    {1, 1, 84, 3, 3, 4, 3, 3, 1, 1},    // an image as high as they come
    {3, 2, 7, 5, 16, 12, 3, 3, 1, 1},   // one group of channels, runs of four
    {2, 2, 5, 6, 20, 36, 3, 3, 2, 1},   // channels without groups
    {1, 2, 5, 7, 64, 65, 3, 3, 2, 1},   // filters around the tile, no runs of four
    {1, 3, 13, 11, 4, 8, 5, 3, 1, 2},   // a weight gradient in several parts
    {1, 1, 2, 2, 640, 4, 3, 3, 1, 1},   // many channels
    {1, 1, 2, 1, 4, 640, 1, 1, 1, 0},   // many filters
    {32, 1, 2, 2, 4, 4, 3, 3, 1, 1},    // many tasks
};

INSTANTIATE_TEST_SUITE_P(Cuda, Conv2dGeometries, testing::ValuesIn(kGeometries));

class CudaConv2d : public cuda_tests::CudaTest {};

constexpr Conv2dGeometry kLayer{.tasks = 2,
                                .images = 2,
                                .height = 6,
                                .width = 5,
                                .channels = 16,
                                .filters = 32,
                                .filter_height = 3,
                                .filter_width = 3,
                                .pad = 1};

TEST_F(CudaConv2d, Tf32IsUsedWhereItIsAskedForAndOnlyThere) {
  for_each_map([&]<class Map>() {
    const Operand first = random_operand(Map::first_size(kLayer), kLayer.tasks, true, 10);
    const Operand second = random_operand(Map::second_size(kLayer), kLayer.tasks, true, 11);
    const std::vector<double> expected = reference<Map>(kLayer, first, second);
    const auto rounded =
        on_device<Map>(kLayer, first, second, CudaContext{.precision = Precision::tf32});
    expect_near(rounded, expected, tolerance::kTf32);
    double error = 0, largest = 0;
    for (std::size_t i = 0; i < rounded.size(); ++i) {
      error = std::max(error, std::abs(rounded[i] - expected[i]));
      largest = std::max(largest, std::abs(expected[i]));
    }
    EXPECT_GT(error, tolerance::kernel<float>(Map::terms(kLayer)) * largest);
  });
}

// A sum that grows with every term: where rounding goes one way, it adds up. There is one addition
// in f32 for eight terms.
TEST_F(CudaConv2d, LongSumsOfOneSignKeepTheAccuracyOfFloat) {
  Conv2dGeometry g = kLayer;
  g.tasks = 1;
  g.channels = 640;
  Operand x = random_operand(x_size(g), 1, true, 12), w = random_operand(w_size(g), 1, true, 13);
  for (float& v : x.values) v = std::abs(v);
  for (float& v : w.values) v = std::abs(v);
  expect_near(on_device<Forward>(g, x, w, CudaContext{}), reference<Forward>(g, x, w),
              tolerance::kernel<float>(Forward::terms(g) / 8));
}

TEST_F(CudaConv2d, OperandsThatAreNotAlignedAreCopiedByElement) {
  const Operand first = random_operand(x_size(kLayer), kLayer.tasks, true, 14);
  const Operand second = random_operand(w_size(kLayer), kLayer.tasks, true, 15);
  std::vector<float> shifted(1);
  shifted.insert(shifted.end(), first.values.begin(), first.values.end());
  const DeviceArray<float> x(shifted), w(second.values), y(kLayer.tasks * y_size(kLayer));
  conv2d(Conv2dArgs<float>{kLayer, first.task_stride, second.task_stride, x.get() + 1, w.get(),
                           y.get(), nullptr},
         CudaContext{});
  expect_near(y.read(), reference<Forward>(kLayer, first, second),
              tolerance::kernel<float>(Forward::terms(kLayer)));
}

TEST_F(CudaConv2d, NothingIsLaunchedForAnEmptyResultAndAnEmptySumIsZero) {
  for (const bool no_tasks : {true, false}) {
    Conv2dGeometry g = kLayer;
    (no_tasks ? g.tasks : g.images) = 0;
    for_each_map([&]<class Map>() {
      const Operand first{std::vector<float>(Map::first_size(g)), Map::first_size(g)};
      const Operand second{std::vector<float>(Map::second_size(g)), Map::second_size(g)};
      const auto result = on_device<Map>(g, first, second, CudaContext{});
      EXPECT_EQ(result, std::vector<float>(g.tasks * Map::result_size(g)));
      EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
    });
  }
}

#if defined(MT_EMULATION)
TEST_F(CudaConv2d, CopiesAreWaitedFor) {
  auto& settings = emulation::settings();
  const auto before = settings;
  for_each_map([&]<class Map>() {
    const Operand first = random_operand(Map::first_size(kLayer), kLayer.tasks, true, 16);
    const Operand second = random_operand(Map::second_size(kLayer), kLayer.tasks, true, 17);
    const auto expected = on_device<Map>(kLayer, first, second, CudaContext{});
    settings.late = true;
    EXPECT_EQ(on_device<Map>(kLayer, first, second, CudaContext{}), expected);
    settings = before;
  });
}
#endif

// Layers of 64 filters on 84x84 images after one, two and three halvings, 5 images for 4 tasks: how
// many blocks of which shape give 132 multiprocessors the same to do.
TEST(Conv2dPlans, FillALargeGpu) {
  const Conv2dGeometry second{4, 5, 42, 42, 64, 64, 3, 3, 1, 1};
  const Conv2dGeometry third{4, 5, 21, 21, 64, 64, 3, 3, 1, 1};
  const Conv2dGeometry fourth{4, 5, 10, 10, 64, 64, 3, 3, 1, 1};
  for (const auto plan : {plan_conv2d, plan_conv2d_input_grad}) {
    EXPECT_EQ(plan(second, Precision::fp32).shape, BlockShape::r64c64);  // 552: 5 at most
    EXPECT_EQ(plan(third, Precision::fp32).shape, BlockShape::r32c32);   // 560: 5 at most
    EXPECT_EQ(plan(fourth, Precision::fp32).shape, BlockShape::r32c32);  // 128
  }
  EXPECT_EQ(plan_conv2d_weight_grad(second, Precision::fp32).parts, 7);  // 252: 2 at most
  EXPECT_EQ(plan_conv2d_weight_grad(fourth, Precision::fp32).parts, 3);  // 108

  const Conv2dGeometry many_filters{4, 5, 21, 21, 320, 640, 3, 3, 1, 1};
  EXPECT_EQ(plan_conv2d(many_filters, Precision::fp32).shape, BlockShape::r128c64);
  EXPECT_EQ(plan_conv2d_weight_grad(many_filters, Precision::fp32).shape, BlockShape::r128c64);
  EXPECT_EQ(plan_conv2d_weight_grad(many_filters, Precision::fp32).parts, 1);
}

TEST(Conv2dPlans, UseTensorCoresAsThePrecisionSaysAndNotForFewTerms) {
  const Conv2dGeometry many{4, 5, 42, 42, 64, 64, 3, 3, 1, 1};
  const Conv2dGeometry one_channel{4, 5, 28, 28, 1, 64, 3, 3, 1, 1};
  for (const auto plan : {plan_conv2d, plan_conv2d_input_grad, plan_conv2d_weight_grad}) {
    EXPECT_EQ(plan(many, Precision::fp32).arithmetic, Arithmetic::compensated);
    EXPECT_EQ(plan(many, Precision::tf32).arithmetic, Arithmetic::tf32);
  }
  EXPECT_EQ(plan_conv2d(one_channel, Precision::fp32).arithmetic, Arithmetic::fma);
  EXPECT_EQ(plan_conv2d(one_channel, Precision::tf32).arithmetic, Arithmetic::fma);
}

TEST(Conv2dPlans, TheWorkspaceHoldsThePartialSums) {
  const Conv2dGeometry g{4, 5, 42, 42, 64, 64, 3, 3, 1, 1};
  EXPECT_EQ(conv2d_weight_grad_workspace_elements(g, CudaContext{}), 7 * 4 * w_size(g));
  EXPECT_EQ(conv2d_workspace_elements(g, CudaContext{}), 0);
  EXPECT_EQ(conv2d_input_grad_workspace_elements(g, CudaContext{}), 0);
}

}  // namespace
}  // namespace metatape::kernels
