#include "kernels/tril/tril.h"

#include <limits>

#include "tests/cuda/cuda_case.h"

namespace metatape::cuda_tests {
namespace {

using namespace kernels;

using Tril = CudaTest;

/// x and y start `offset` elements into their arrays.
std::vector<float> on_device(std::int64_t batch, std::int64_t n, const std::vector<float>& x,
                             std::int64_t offset, bool in_place) {
  return run_repeatedly([&](const CudaContext& context) {
    std::vector<float> shifted(offset, 0);
    shifted.insert(shifted.end(), x.begin(), x.end());
    const DeviceArray<float> in(shifted), out(shifted.size());
    tril<float>({batch, n, 0.5f, in + offset, (in_place ? in : out) + offset}, context);
    std::vector<float> y = (in_place ? in : out).read();
    y.erase(y.begin(), y.begin() + offset);
    return y;
  });
}

TEST_F(Tril, IsThatOfTheCpuForEverySizeAndAlignment) {
  for (std::int64_t n : {1, 2, 3, 4, 5, 8, 17, 32, 100}) {
    for (std::int64_t batch : {1, 3}) {
      SCOPED_TRACE(testing::Message() << batch << " of " << n);
      const std::vector<float> x = random_values(batch * n * n, n + 1);
      std::vector<float> expected(x.size());
      tril<float>({batch, n, 0.5f, x.data(), expected.data()}, CpuContext{});
      for (bool in_place : {false, true}) {
        for (std::int64_t offset : {0, 1}) {
          EXPECT_EQ(on_device(batch, n, x, offset, in_place), expected);
        }
      }
    }
  }
}

TEST_F(Tril, HasMoreRowsThanAGridHasRows) {
  const std::vector<float> x = random_values(70001 * 4, 1);
  std::vector<float> expected(x.size());
  tril<float>({70001, 2, 0.5f, x.data(), expected.data()}, CpuContext{});
  EXPECT_EQ(on_device(70001, 2, x, 0, false), expected);
}

TEST_F(Tril, ReadsNothingAboveTheDiagonalIntoItsResult) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(on_device(1, 2, {2, nan, 3, 4}, 0, false), (std::vector<float>{1, 0, 3, 2}));
}

TEST_F(Tril, LaunchesNothingForNoElements) {
  tril<float>({0, 3, 1, nullptr, nullptr}, CudaContext{});
  tril<float>({3, 0, 1, nullptr, nullptr}, CudaContext{});
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

}  // namespace
}  // namespace metatape::cuda_tests
