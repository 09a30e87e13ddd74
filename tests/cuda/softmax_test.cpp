#include "kernels/softmax/softmax.h"

#include <limits>

#include "tests/cuda/cuda_case.h"
#include "tests/support/reference.h"

namespace metatape::cuda_tests {
namespace {

using namespace kernels;

using LogSoftmax = CudaTest;

std::vector<float> on_device(std::int64_t rows, std::int64_t columns, const std::vector<float>& x,
                             bool in_place = false) {
  return run_repeatedly([&](const CudaContext& context) {
    const DeviceArray<float> in(x), out(x.size());
    log_softmax<float>(rows, columns, in, in_place ? in : out, context);
    return in_place ? in.read() : out.read();
  });
}

void expect_matches_the_cpu(std::int64_t rows, std::int64_t columns, const std::vector<float>& x) {
  std::vector<double> expected = to_double(x);
  log_softmax<double>(rows, columns, expected.data(), expected.data(), CpuContext{});
  const double tolerance = tolerance::kernel<float>(columns);
  if (columns > 1) {
    reference::expect_close(on_device(rows, columns, x), expected, tolerance);
  } else {
    EXPECT_EQ(on_device(rows, columns, x), std::vector<float>(rows, 0));
  }
}

// Around the numbers of lanes, and the 1024 columns from which a block takes a row.
TEST_F(LogSoftmax, MatchesTheCpuForEveryLengthOfRows) {
  for (std::int64_t columns : {1, 2, 3, 5, 8, 17, 31, 32, 33, 64, 257, 1023, 1024, 1025, 3001}) {
    for (std::int64_t rows : {1, 3, 67}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << columns);
      std::vector<float> x = random_values(rows * columns, columns);
      for (float& v : x) v *= 20;
      expect_matches_the_cpu(rows, columns, x);
    }
  }
}

TEST_F(LogSoftmax, HasMoreRowsThanAGridHasRows) {
  expect_matches_the_cpu(70001, 5, random_values(70001 * 5, 1));
}

TEST_F(LogSoftmax, ShiftsByTheLargestAndKeepsNegligibleColumns) {
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(on_device(2, 3, {3e38f, 0, -3e38f, -inf, 7, -inf}),
            (std::vector<float>{0, -3e38f, -inf, -inf, 0, -inf}));
}

TEST_F(LogSoftmax, SpreadsNanOverItsRowOnly) {
  for (std::int64_t columns : {5, 1500}) {
    for (std::int64_t at : {std::int64_t{0}, columns - 1}) {
      std::vector<float> x = random_values(3 * columns, 2);
      x[columns + at] = std::numeric_limits<float>::quiet_NaN();
      const std::vector<float> y = on_device(3, columns, x);
      for (std::int64_t i = 0; i < 3 * columns; ++i) {
        ASSERT_EQ(std::isnan(y[i]), i / columns == 1) << i;
      }
    }
  }
}

TEST_F(LogSoftmax, WorksInPlace) {
  for (std::int64_t columns : {5, 300, 1500}) {
    const std::vector<float> x = random_values(9 * columns, 3);
    EXPECT_EQ(on_device(9, columns, x, true), on_device(9, columns, x));
  }
}

TEST_F(LogSoftmax, LaunchesNothingWithoutRows) {
  log_softmax<float>(0, 5, nullptr, nullptr, CudaContext{});
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

}  // namespace
}  // namespace metatape::cuda_tests
