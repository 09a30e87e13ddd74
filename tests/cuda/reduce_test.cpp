#include "kernels/reduce/reduce.h"

#include <limits>

#include "kernels/elementwise/elementwise.h"
#include "tests/cuda/cuda_case.h"
#include "tests/support/reference.h"

namespace metatape::cuda_tests {
namespace {

using namespace kernels;
using reference::count_of;
using reference::dense_strides;
using reference::draw;
using reference::Random;

using Sum = CudaTest;

struct SumCase {
  LoopNest nest;
  unsigned reduced;
  Extents a_strides, b_strides;
  std::vector<float> a, b;    ///< without b: empty
  std::int64_t a_offset = 0;  ///< elements before the first
};

std::vector<float> on_device(const SumCase& c) {
  return run_repeatedly([&](const CudaContext& context) {
    const std::int64_t outputs = count_of(c.nest, ~c.reduced);
    const std::int64_t elements = sum_workspace_elements(c.nest, c.reduced, context);
    const DeviceArray<float> a(c.a), b(c.b), y(outputs), workspace(elements);
    sum<float>({c.nest, c.reduced, c.a_strides, c.b_strides, a + c.a_offset,
                c.b.empty() ? nullptr : b.get(), y, elements > 0 ? workspace.get() : nullptr},
               context);
    return y.read();
  });
}

std::vector<double> on_cpu(const SumCase& c, bool of_magnitudes) {
  std::vector<double> a = to_double(c.a), b = to_double(c.b);
  if (of_magnitudes) {
    for (double& v : a) v = std::abs(v);
    for (double& v : b) v = std::abs(v);
  }
  std::vector<double> y(count_of(c.nest, ~c.reduced));
  std::vector<double> workspace(sum_workspace_elements(c.nest, c.reduced, CpuContext{}));
  sum<double>({c.nest, c.reduced, c.a_strides, c.b_strides, a.data() + c.a_offset,
               b.empty() ? nullptr : b.data(), y.data(), workspace.data()},
              CpuContext{});
  return y;
}

void expect_matches_the_cpu(const SumCase& c) {
  if (count_of(c.nest, ~c.reduced) == 0) return;
  if (c.nest.count() == 0) {
    EXPECT_EQ(on_device(c), std::vector<float>(count_of(c.nest, ~c.reduced), 0));
    return;
  }
  reference::expect_close(on_device(c), on_cpu(c, false),
                          tolerance::kernel<float>(count_of(c.nest, c.reduced)), on_cpu(c, true));
}

TEST_F(Sum, MatchesTheCpuOverRandomNests) {
  Random random(81);
  for (int trial = 0; trial < 200; ++trial) {
    SCOPED_TRACE(trial);
    const LoopNest nest = reference::random_nest(random);
    const std::int64_t count = nest.count() + 1;
    expect_matches_the_cpu({nest, unsigned(draw(random, 0, 63)),
                            reference::random_strides(nest, random),
                            reference::random_strides(nest, random), random_values(count, trial),
                            random_values(trial % 2 ? count : 0, trial + 1000)});
  }
}

// Around the lengths at which lanes, loads in flight and segments change.
TEST_F(Sum, MatchesTheCpuForEveryNumberOfTerms) {
  for (std::int64_t terms : {1, 2, 3, 4, 5, 31, 33, 127, 128, 129, 513, 1023, 1025, 8191, 8200}) {
    SCOPED_TRACE(terms);
    const std::vector<float> a = random_values(terms * 12, 1), b = random_values(12, 2);
    const LoopNest leading{2, {terms, 12}}, trailing{2, {12, terms}};
    expect_matches_the_cpu({leading, 0b01, {12, 1}, {0, 1}, a, b});
    expect_matches_the_cpu({leading, 0b01, {12, 1}, {}, a, {}});
    expect_matches_the_cpu({leading, 0b01, {1, terms}, {}, a, {}});
    expect_matches_the_cpu({trailing, 0b10, {terms, 1}, {1, 0}, a, b});
    expect_matches_the_cpu({trailing, 0b10, {terms, 1}, {}, a, {}});
    expect_matches_the_cpu({trailing, 0b10, {1, 12}, {}, a, {}});
    expect_matches_the_cpu({trailing, 0b11, {terms, 1}, {}, a, {}});
  }
}

// Fewer and more outputs than a block has, in vectors and not.
TEST_F(Sum, MatchesTheCpuForEveryNumberOfOutputs) {
  for (std::int64_t outputs : {1, 2, 3, 4, 5, 63, 64, 67, 255, 256, 257, 1024, 1028}) {
    SCOPED_TRACE(outputs);
    const std::vector<float> a = random_values(outputs * 40, 3), b = random_values(outputs * 40, 4);
    expect_matches_the_cpu({{2, {40, outputs}}, 0b01, {outputs, 1}, {outputs, 1}, a, b});
    expect_matches_the_cpu({{2, {outputs, 40}}, 0b10, {40, 1}, {}, a, {}});
    expect_matches_the_cpu({{2, {outputs, 5}}, 0b10, {5, 1}, {}, a, {}});
  }
}

TEST_F(Sum, MatchesTheCpuOnEveryChoiceOfReducedLoops) {
  const LoopNest nest{5, {3, 5, 4, 7, 8}};
  const Extents dense = dense_strides(nest), per_task_channel = dense_strides(nest, 0b10001);
  const std::vector<float> a = random_values(nest.count(), 5), b = random_values(nest.count(), 6);
  for (unsigned reduced = 0; reduced < 32; ++reduced) {
    SCOPED_TRACE(reduced);
    expect_matches_the_cpu({nest, reduced, dense, {}, a, {}});
    expect_matches_the_cpu({nest, reduced, dense, dense, a, b});
    expect_matches_the_cpu({nest, reduced, per_task_channel, dense, a, b});
  }
}

// The undefined-behaviour sanitizer finds vectors read from there.
TEST_F(Sum, ReadsRowsThatStartBetweenVectors) {
  const LoopNest nest{3, {3, 6, 8}};
  const std::vector<float> a = random_values(3 * 6 * 9, 12);
  for (unsigned reduced = 1; reduced < 8; ++reduced) {
    expect_matches_the_cpu({nest, reduced, {54, 9, 1}, {}, a, {}});
    expect_matches_the_cpu({nest, reduced, {54, 9, 1}, {48, 8, 1}, a, random_values(144, 13)});
  }
}

TEST_F(Sum, CutsManyTermsIntoSegments) {
  const std::int64_t terms = 20011;
  const std::vector<float> a = random_values(terms * 8, 7);
  for (const LoopNest& nest : {LoopNest{2, {terms, 8}}, LoopNest{2, {8, terms}}}) {
    const unsigned reduced = nest.extents[0] == terms ? 0b01 : 0b10;
    ASSERT_GT(sum_workspace_elements(nest, reduced, CudaContext{}), 0);
    expect_matches_the_cpu({nest, reduced, dense_strides(nest), {}, a, {}});
    expect_matches_the_cpu({nest, 0b11, dense_strides(nest), {}, a, {}});
  }
}

TEST_F(Sum, HasMoreOutputsThanAGridHasRows) {
  const LoopNest nest{2, {70001, 3}};
  expect_matches_the_cpu({nest, 0b10, {3, 1}, {}, random_values(nest.count(), 8), {}});
}

// Vectors must not change the order of additions.
TEST_F(Sum, HasTheSameBitsForOperandsOfAnyAlignment) {
  const LoopNest nest{4, {3, 50, 10, 24}};
  std::vector<float> a = random_values(nest.count() + 1, 9);
  std::vector<float> shifted(a);
  std::rotate(shifted.begin(), shifted.end() - 1, shifted.end());
  for (unsigned reduced = 1; reduced < 16; ++reduced) {
    SCOPED_TRACE(reduced);
    const Extents dense = dense_strides(nest);
    EXPECT_EQ(on_device({nest, reduced, dense, {}, a, {}}),
              on_device({nest, reduced, dense, {}, shifted, {}, 1}));
  }
}

TEST_F(Sum, OfAFusedBroadcastProductHasTheBitsOfTheSeparateProduct) {
  const LoopNest nest{4, {3, 45, 10, 24}};
  const Extents dense = dense_strides(nest);
  const std::vector<float> a = random_values(nest.count(), 10), b = random_values(nest.count(), 11);
  for (unsigned reduced : {0b0001u, 0b0110u, 0b1000u, 0b1110u, 0b1111u}) {
    for (unsigned present : {0b1111u, 0b1001u, 0b0110u}) {
      SCOPED_TRACE(reduced);
      const Extents b_strides = dense_strides(nest, present);
      std::vector<float> product(nest.count());
      binary<float>(
          {BinaryFunction::mul, {}, nest, dense, b_strides, a.data(), b.data(), product.data()},
          CpuContext{});
      EXPECT_EQ(on_device({nest, reduced, dense, b_strides, a, b}),
                on_device({nest, reduced, dense, {}, product, {}}));
    }
  }
}

TEST_F(Sum, OverEmptyLoopsIsZero) {
  const std::vector<float> a(1, 5);
  EXPECT_EQ(on_device({{2, {3, 0}}, 0b10, {0, 1}, {}, a, {}}), std::vector<float>(3, 0));
  EXPECT_EQ(on_device({{2, {0, 3}}, 0b01, {3, 1}, {}, a, {}}), std::vector<float>(3, 0));
}

TEST_F(Sum, LaunchesNothingForNoOutputs) {
  sum<float>({{2, {0, 3}}, 0b10, {3, 1}, {}, nullptr, nullptr, nullptr, nullptr}, CudaContext{});
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

// Equal terms round the same way at every step of a chain, the worst case for its length.
TEST_F(Sum, StaysWithinItsBoundForEqualTerms) {
  constexpr std::int64_t kCount = 1 << 20;
  const std::vector<float> a(1, 0.1f);
  for (std::int64_t columns : {1, 8}) {
    const std::int64_t rows = kCount / columns;
    const LoopNest nest{2, {rows, columns}};
    const double terms = double(rows), exact = terms * double(a[0]);
    const double bound = 4 * double(std::numeric_limits<float>::epsilon()) * std::sqrt(terms);
    for (float y : on_device({nest, 0b01, {0, 0}, {}, a, {}})) {
      EXPECT_LE(std::abs(double(y) - exact), bound * exact);
    }
  }
}

}  // namespace
}  // namespace metatape::cuda_tests
