#include "kernels/distances/distances.h"

#include "tests/cuda/cuda_case.h"

namespace metatape::cuda_tests {
namespace {

using kernels::SquaredDistancesArgs;
using CudaSquaredDistances = CudaTest;

struct Extent {
  std::int64_t tasks, matrices, n, m, d;
};

/// Around the tiles, small (16) and, where there are 128 of them, large (64).
constexpr Extent kExtents[] = {
    {1, 1, 1, 1, 1},    {2, 1, 5, 2, 5},     {1, 2, 15, 17, 31}, {2, 2, 16, 33, 32},
    {1, 1, 33, 31, 33}, {1, 1, 100, 9, 200}, {64, 2, 3, 5, 7},   {43, 1, 63, 129, 33},
};

struct Operands {
  std::vector<float> x, y;
  SquaredDistancesArgs<float> args;  ///< without the pointers
};

/// Bit 0 and 1 of the variant: x, y differ from task to task.
Operands operands(const Extent& e, int variant) {
  const std::int64_t x_size = e.matrices * e.n * e.d, y_size = e.matrices * e.m * e.d;
  return {random_values(std::size_t(variant & 1 ? e.tasks * x_size : x_size), 1),
          random_values(std::size_t(variant & 2 ? e.tasks * y_size : y_size), 2),
          {.tasks = e.tasks,
           .matrices = e.matrices,
           .n = e.n,
           .m = e.m,
           .d = e.d,
           .x_task_stride = variant & 1 ? x_size : 0,
           .y_task_stride = variant & 2 ? y_size : 0}};
}

std::vector<float> on_device(SquaredDistancesArgs<float> args, const std::vector<float>& x,
                             const std::vector<float>& y) {
  const DeviceArray<float> device_x(x), device_y(y);
  return run_repeatedly([&](const kernels::CudaContext& context) {
    const DeviceArray<float> distances(std::size_t(args.tasks * args.matrices * args.n * args.m));
    args.x = device_x;
    args.y = device_y;
    args.distances = distances;
    kernels::squared_distances(args, context);
    return distances.read();
  });
}

std::vector<double> on_cpu(const Operands& o) {
  const std::vector<double> x = to_double(o.x), y = to_double(o.y);
  const auto& a = o.args;
  std::vector<double> distances(std::size_t(a.tasks * a.matrices * a.n * a.m));
  kernels::squared_distances<double>({a.tasks, a.matrices, a.n, a.m, a.d, a.x_task_stride,
                                      a.y_task_stride, x.data(), y.data(), distances.data()},
                                     kernels::CpuContext{});
  return distances;
}

TEST_F(CudaSquaredDistances, AgreeWithTheCpu) {
  for (const Extent& e : kExtents)
    for (int variant = e.tasks > 2 ? 3 : 0; variant < 4; ++variant) {
      SCOPED_TRACE(testing::Message()
                   << e.tasks << " tasks, " << e.matrices << " matrices, n " << e.n << ", m " << e.m
                   << ", d " << e.d << ", variant " << variant);
      const Operands o = operands(e, variant);
      expect_near(on_device(o.args, o.x, o.y), on_cpu(o), tolerance::kernel<float>(e.d));
    }
}

TEST_F(CudaSquaredDistances, OfOneValueWithItselfAreSymmetricWithAZeroDiagonal) {
  for (const std::int64_t n : {25, 70}) {
    Operands o = operands({1, 1, n, n, 70}, 0);
    const std::vector<float> found = on_device(o.args, o.x, o.x);
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < n; ++j) {
        ASSERT_EQ(found[i * n + j], found[j * n + i]);
        ASSERT_EQ(found[i * n + j] == 0, i == j);
      }
  }
}

TEST_F(CudaSquaredDistances, AnEmptySumIsZero) {
  const Operands o = operands({2, 1, 3, 5, 0}, 0);
  EXPECT_EQ(on_device(o.args, o.x, o.y), std::vector<float>(2 * 3 * 5, 0.0f));
}

}  // namespace
}  // namespace metatape::cuda_tests
