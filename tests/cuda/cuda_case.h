#pragma once

// How a CUDA kernel is tested: against the CPU's kernel in f64 from the same f32 values, and
// against itself, bit for bit, run again (emulated: in every order of blocks and threads).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/common/philox.h"
#include "tests/cuda/device_array.h"
#include "tests/support/tolerance.h"
#if defined(MT_EMULATION)
#include "kernels/emulation/settings.h"
#endif

namespace metatape::cuda_tests {

/// A test that needs a device: skipped, and saying so, where there is none.
class CudaTest : public testing::Test {
 protected:
  void SetUp() override {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0) {
      cudaGetLastError();
      GTEST_SKIP() << "no GPU on this machine";
    }
  }
};

/// Uniform in [-1, 1), a different stream for each seed.
inline std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
  kernels::RandomStream random(seed, kernels::RandomPurpose::initialisation, 0, 0);
  std::vector<float> values(count);
  for (float& v : values) v = float(2 * random.uniform() - 1);
  return values;
}

inline std::vector<double> to_double(const std::vector<float>& x) { return {x.begin(), x.end()}; }

/// `run` enqueues on the default stream of the context it is given and returns the result read
/// back. It is called twice on a GPU, once in each of four orders emulated, and must give the same
/// bits each time.
template <class Run>
auto run_repeatedly(const Run& run) {
  const kernels::CudaContext context;
  auto first = run(context);
  auto expect_same = [&](const char* order) {
    const auto again = run(context);
    ASSERT_EQ(again.size(), first.size());
    EXPECT_TRUE(first.empty() ||
                std::memcmp(again.data(), first.data(), first.size() * sizeof(first[0])) == 0)
        << "other bits, " << order;
  };
#if defined(MT_EMULATION)
  using kernels::emulation::Order;
  auto& settings = kernels::emulation::settings();
  const auto before = settings;
  settings.order = Order::descending;
  expect_same("descending order");
  settings.order = Order::random;
  for (std::uint64_t seed : {1, 2}) {
    settings.seed = seed;
    expect_same("random order");
  }
  settings = before;
#else
  expect_same("second run");
#endif
  return first;
}

/// |x - reference| <= tolerance * max |reference|, element by element. The reference has to be
/// finite and not all zero, so that the comparison can fail.
inline void expect_near(const std::vector<float>& x, const std::vector<double>& reference,
                        double tolerance) {
  ASSERT_EQ(x.size(), reference.size());
  double largest = 0;
  for (double r : reference) {
    ASSERT_TRUE(std::isfinite(r)) << "the reference is not finite";
    largest = std::max(largest, std::abs(r));
  }
  if (!reference.empty()) {
    ASSERT_GT(largest, 0) << "the reference is zero";
  }
  std::size_t worst = 0;
  double error = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double e = std::abs(double(x[i]) - reference[i]);
    if (!(e <= error) && !std::isnan(error)) error = e, worst = i;  // a NaN is not overwritten
  }
  EXPECT_LE(error, tolerance * largest) << "element " << worst << " of " << x.size() << ": "
                                        << x[worst] << ", expected " << reference[worst];
}

}  // namespace metatape::cuda_tests
