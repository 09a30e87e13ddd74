#include "kernels/fused/fused.h"

#include <limits>
#include <memory>

#include "tests/cuda/cuda_case.h"
#include "tests/support/random_expression.h"

namespace metatape::cuda_tests {
namespace {

using namespace kernels;
using reference::count_of;
using reference::draw;
using reference::fused_args;
using reference::FusedCase;
using reference::Random;
using reference::ScatteredCase;

using Fused = CudaTest;
using FusedSum = CudaTest;
using FusedPoolIndex = CudaTest;

/// The operands on the device. The first begins `offset` elements late, on its own address.
struct DeviceOperands {
  explicit DeviceOperands(const FusedCase& c, std::int64_t offset = 0) {
    for (std::vector<float> values : c.values) {
      const std::int64_t late = arrays.empty() ? offset : 0;
      values.insert(values.begin(), std::size_t(late), 77.f);
      arrays.push_back(std::make_unique<DeviceArray<float>>(values));
      pointers.push_back(arrays.back()->get() + late);
    }
  }
  std::vector<std::unique_ptr<DeviceArray<float>>> arrays;
  std::vector<const float*> pointers;
};

std::vector<float> on_device(const FusedCase& c, std::int64_t offset = 0) {
  return run_repeatedly([&](const CudaContext& context) {
    const DeviceOperands operands(c, offset);
    const DeviceArray<float> y(std::size_t(c.nest.count()));
    fused(fused_args<float>(c, operands.pointers, y.get()), context);
    return y.read();
  });
}

std::vector<float> sum_on_device(const FusedCase& c, unsigned reduced, std::int64_t offset = 0) {
  return run_repeatedly([&](const CudaContext& context) {
    const DeviceOperands operands(c, offset);
    const DeviceArray<float> y(std::size_t(count_of(c.nest, ~reduced)));
    const DeviceArray<float> workspace(
        std::size_t(fused_sum_workspace_elements(c.nest, reduced, context)));
    fused_sum<float>({fused_args<float>(c, operands.pointers, y.get()), reduced, workspace.get()},
                     context);
    return y.read();
  });
}

struct HostOperands {
  explicit HostOperands(const FusedCase& c) : values(c.values_as<double>()) {
    for (const auto& v : values) pointers.push_back(v.data());
  }
  std::vector<std::vector<double>> values;
  std::vector<const double*> pointers;
};

std::vector<double> on_cpu(const FusedCase& c) {
  const HostOperands operands(c);
  std::vector<double> y(std::size_t(c.nest.count()));
  fused(fused_args<double>(c, operands.pointers, y.data()), CpuContext{});
  return y;
}

/// Sums of the terms, or of their magnitudes.
std::vector<double> sum_on_cpu(const FusedCase& c, unsigned reduced, bool of_magnitudes) {
  const std::vector<double> terms = on_cpu(c);
  const Extents y_strides = reference::dense_strides(c.nest, ~reduced);
  std::vector<double> y(std::size_t(count_of(c.nest, ~reduced)));
  std::size_t i = 0;
  reference::for_each_index(c.nest, [&](const Extents& index) {
    const double term = terms[i++];
    y[std::size_t(reference::offset_of(c.nest, index, y_strides))] +=
        of_magnitudes ? std::abs(term) : term;
  });
  return y;
}

/// Rounding errors of a chain of operations, each of which at most doubles those before it.
void expect_matches_the_cpu(const FusedCase& c, std::int64_t offset = 0) {
  if (c.nest.count() == 0) return;
  reference::expect_close(on_device(c, offset), on_cpu(c), tolerance::kFusedChain);
}

void expect_sum_matches_the_cpu(const FusedCase& c, unsigned reduced, std::int64_t offset = 0) {
  if (count_of(c.nest, ~reduced) == 0) return;
  if (c.nest.count() == 0) {
    EXPECT_EQ(sum_on_device(c, reduced), std::vector<float>(count_of(c.nest, ~reduced), 0));
    return;
  }
  std::vector<double> scale = sum_on_cpu(c, reduced, true);
  for (double& s : scale) s += double(count_of(c.nest, reduced));
  reference::expect_close(sum_on_device(c, reduced, offset), sum_on_cpu(c, reduced, false),
                          tolerance::kFusedChain, scale);
}

FusedCase smooth_case(const LoopNest& nest, int operands, int operations, Random& random) {
  return FusedCase(nest, operands, operations, random, true);
}

TEST_F(Fused, MatchesTheCpuOverRandomNests) {
  Random random(41);
  for (int trial = 0; trial < 100; ++trial) {
    SCOPED_TRACE(trial);
    expect_matches_the_cpu(smooth_case(reference::random_nest(random),
                                       int(draw(random, 1, kMaxFusedOperands)),
                                       int(draw(random, 1, kMaxFusedOperations)), random));
  }
}

TEST_F(Fused, MatchesTheCpuInVectorsAndWithout) {
  Random random(42);
  for (std::int64_t channels : {1, 3, 4, 64})
    for (std::int64_t offset : {0, 1}) {
      SCOPED_TRACE(testing::Message() << channels << " channels, offset " << offset);
      for (int operands : {3, 5}) {
        FusedCase c = smooth_case({3, {2, 130, channels}}, operands, 8, random);
        c.strides = {Extents{130 * channels, channels, 1}, Extents{channels, 0, 1},
                     Extents{0, 0, 1}, Extents{130 * channels, channels, 1}, Extents{}};
        expect_matches_the_cpu(c, offset);
      }
    }
}

TEST_F(Fused, KnowsEveryFunction) {
  Random random(43);
  for (int f = 0; f <= int(ElementwiseFunction::relu_mask); ++f) {
    SCOPED_TRACE(f);
    FusedCase c = smooth_case({1, {37}}, 2, 2, random);
    c.strides = {Extents{1}, Extents{1}};
    for (auto& values : c.values)
      for (float& v : values) v = 1.5f + 0.5f * v;
    c.expression.registers = 1;
    c.expression.code[0] = {
        ElementwiseFunction(f), 0, std::uint8_t(f < kUnaryFunctions ? 0 : 1), 2, 0.5, 0.25};
    c.expression.code[1] = {ElementwiseFunction::affine, 2, 2, 2, 1, 1};
    expect_matches_the_cpu(c);
  }
}

TEST_F(Fused, MayOverwriteADenseOperand) {
  Random random(44);
  for (std::int64_t columns : {70, 64}) {
    FusedCase c = smooth_case({2, {9, columns}}, 2, 6, random);
    c.strides = {Extents{columns, 1}, Extents{columns, 1}};
    const DeviceOperands operands(c);
    fused(fused_args<float>(c, operands.pointers, operands.arrays[1]->get()), CudaContext{});
    std::vector<float> y = operands.arrays[1]->read();
    y.resize(std::size_t(c.nest.count()));
    EXPECT_EQ(y, on_device(c));
  }
}

/// Both devices read the same scattered operands.
TEST_F(Fused, ReadsWhatAPoolingScatters) {
  Random random(47);
  for (const PoolGeometry& g : reference::kScatterings) {
    SCOPED_TRACE(testing::Message() << g.height << "x" << g.width << "x" << g.channels);
    const ScatteredCase c(g, random, true);
    const std::vector<float> y = run_repeatedly([&](const CudaContext& context) {
      const DeviceOperands operands(c.given);
      const DeviceArray<WindowPlace> index(c.index);
      const DeviceArray<float> out(std::size_t(c.given.nest.count()));
      fused(fused_args<float>(c.given, operands.pointers, out.get(), {g, index.get()}), context);
      return out.read();
    });
    reference::expect_close(y, on_cpu(c.spread), tolerance::kFusedChain);
  }
}

TEST_F(FusedSum, ReadsWhatAPoolingScatters) {
  Random random(48);
  for (const PoolGeometry& g : reference::kScatterings)
    for (unsigned reduced : {0b0111u, 0b1000u, 0b0101u, 0b1111u}) {
      SCOPED_TRACE(testing::Message()
                   << g.height << "x" << g.width << "x" << g.channels << ", " << reduced);
      const ScatteredCase c(g, random, true);
      const std::vector<float> y = run_repeatedly([&](const CudaContext& context) {
        const DeviceOperands operands(c.given);
        const DeviceArray<WindowPlace> index(c.index);
        const DeviceArray<float> out(std::size_t(count_of(c.given.nest, ~reduced)));
        const DeviceArray<float> workspace(
            std::size_t(fused_sum_workspace_elements(c.given.nest, reduced, context)));
        fused_sum<float>(
            {fused_args<float>(c.given, operands.pointers, out.get(), {g, index.get()}), reduced,
             workspace.get()},
            context);
        return out.read();
      });
      std::vector<double> scale = sum_on_cpu(c.spread, reduced, true);
      for (double& s : scale) s += double(count_of(c.spread.nest, reduced));
      reference::expect_close(y, sum_on_cpu(c.spread, reduced, false), tolerance::kFusedChain,
                              scale);
    }
}

/// Of values that are multiples of 1/4 and no rounding changes: ties, and the same places.
TEST_F(FusedPoolIndex, IsThatOfTheCpu) {
  Random random(49);
  std::vector<PoolGeometry> geometries(std::begin(reference::kScatterings),
                                       std::end(reference::kScatterings));
  geometries.insert(geometries.end(), {{2, 9, 8, 5, 3, 2}, {2, 6, 7, 20, 3, 1}, {0, 8, 8, 16}});
  for (const PoolGeometry& g : geometries)
    for (std::int64_t offset : {0, 1}) {
      SCOPED_TRACE(testing::Message() << g.height << "x" << g.width << "x" << g.channels);
      FusedCase c({4, {g.planes, g.height, g.width, g.channels}}, 2, 2, random);
      c.strides = {reference::dense_strides(c.nest), Extents{0, 0, 0, 1}};
      c.expression.registers = 1;
      c.expression.code[0] = {ElementwiseFunction::sub, 0, 1, 2, 1, 0};
      c.expression.code[1] = {ElementwiseFunction::affine, 2, 2, 2, -0.5, 0.25};
      for (auto& values : c.values)
        for (float& x : values) x = std::round(2 * x);
      if (c.nest.count() > 9) c.values[0][9] = std::numeric_limits<float>::quiet_NaN();
      const auto pooled = std::size_t(g.planes * g.out_height() * g.out_width() * g.channels);
      std::vector<WindowPlace> expected(pooled);
      const std::vector<double> y = on_cpu(c);
      max_pool_index(g, y.data(), expected.data(), CpuContext{});
      EXPECT_EQ(run_repeatedly([&](const CudaContext& context) {
                  const DeviceOperands operands(c, offset);
                  const DeviceArray<WindowPlace> index(pooled);
                  fused_pool_index<float>(
                      {fused_args<float>(c, operands.pointers, static_cast<float*>(nullptr)), g,
                       index.get(), nullptr},
                      context);
                  return index.read();
                }),
                expected);
    }
}

TEST_F(FusedSum, MatchesTheCpuOverRandomNests) {
  Random random(45);
  for (int trial = 0; trial < 100; ++trial) {
    SCOPED_TRACE(trial);
    const FusedCase c =
        smooth_case(reference::random_nest(random), int(draw(random, 1, kMaxFusedOperands)),
                    int(draw(random, 1, kMaxFusedOperations)), random);
    expect_sum_matches_the_cpu(c, unsigned(draw(random, 0, 63)));
  }
}

// Around the lengths at which lanes and segments change; vectors give the bits of elements.
TEST_F(FusedSum, MatchesTheCpuForEveryNumberOfTerms) {
  Random random(46);
  for (std::int64_t terms : {1, 3, 4, 33, 128, 129, 1024, 5000})
    for (std::int64_t outputs : {1, 3, 8, 64}) {
      SCOPED_TRACE(testing::Message() << terms << " terms, " << outputs << " outputs");
      FusedCase rows = smooth_case({2, {terms, outputs}}, 2, 3, random);
      rows.strides = {Extents{outputs, 1}, Extents{0, 1}};
      expect_sum_matches_the_cpu(rows, 0b01);
      EXPECT_EQ(sum_on_device(rows, 0b01), sum_on_device(rows, 0b01, 1));
      FusedCase groups = smooth_case({2, {outputs, terms}}, 2, 3, random);
      groups.strides = {Extents{terms, 1}, Extents{0, 1}};
      expect_sum_matches_the_cpu(groups, 0b10);
      EXPECT_EQ(sum_on_device(groups, 0b10), sum_on_device(groups, 0b10, 1));
    }
}

}  // namespace
}  // namespace metatape::cuda_tests
