#include "kernels/triangular_solve/triangular_solve.h"

#include <limits>

#include "tests/cuda/cuda_case.h"

namespace metatape::cuda_tests {
namespace {

using kernels::TriangularSolveArgs;
using CudaTriangularSolve = CudaTest;

struct Extent {
  std::int64_t tasks, matrices, n, k;
};

/// Around the strips of 32 rows and the blocks of 32 right-hand sides.
constexpr Extent kExtents[] = {
    {1, 1, 1, 1},    {3, 1, 2, 5},   {2, 3, 5, 33},  {1, 1, 31, 31}, {2, 1, 32, 32},  {1, 2, 33, 2},
    {1, 1, 100, 65}, {1, 1, 127, 5}, {1, 1, 128, 1}, {2, 1, 129, 3}, {1, 1, 200, 31},
};

/// Rows whose diagonal exceeds the sum of the others; NaN above it, where nothing may be read.
std::vector<float> triangles(std::int64_t count, std::int64_t n) {
  std::vector<float> l = random_values(std::size_t(count * n * n), 1);
  for (std::int64_t row = 0; row < count * n; ++row) {
    l[row * n + row % n] = float(n + 1);
    for (std::int64_t j = row % n + 1; j < n; ++j)
      l[row * n + j] = std::numeric_limits<float>::quiet_NaN();
  }
  return l;
}

/// Bit 0 of the variant: transposed; bits 1 and 2: l, b differ from task to task.
void expect_agrees(const Extent& e, int variant) {
  SCOPED_TRACE(testing::Message() << e.tasks << " tasks, " << e.matrices << " matrices, n " << e.n
                                  << ", k " << e.k << ", variant " << variant);
  const bool l_per_task = variant & 2, b_per_task = variant & 4;
  const std::int64_t l_size = e.matrices * e.n * e.n, b_size = e.matrices * e.n * e.k;
  const std::size_t x_size = std::size_t(e.tasks * b_size);
  const auto l = triangles(e.matrices * (l_per_task ? e.tasks : 1), e.n);
  const auto b = random_values(b_per_task ? x_size : std::size_t(b_size), 2);
  const auto solve = [&](const auto* l, const auto* b, auto* x, const auto& context) {
    using T = std::remove_pointer_t<decltype(x)>;
    kernels::triangular_solve<T>({.tasks = e.tasks,
                                  .matrices = e.matrices,
                                  .n = e.n,
                                  .k = e.k,
                                  .transpose = bool(variant & 1),
                                  .l_task_stride = l_per_task ? l_size : 0,
                                  .b_task_stride = b_per_task ? b_size : 0,
                                  .l = l,
                                  .b = b,
                                  .x = x},
                                 context);
  };

  const std::vector<double> l_double = to_double(l), b_double = to_double(b);
  std::vector<double> expected(x_size);
  solve(l_double.data(), b_double.data(), expected.data(), kernels::CpuContext{});

  const DeviceArray<float> device_l(l), device_b(b);
  const std::vector<float> found = run_repeatedly([&](const kernels::CudaContext& context) {
    const DeviceArray<float> x(x_size);
    solve(static_cast<const float*>(device_l.get()), static_cast<const float*>(device_b.get()),
          x.get(), context);
    return x.read();
  });
  expect_near(found, expected, tolerance::kernel<float>(e.n));
}

TEST_F(CudaTriangularSolve, AgreesWithTheCpu) {
  for (const Extent& e : kExtents)
    for (int variant = 0; variant < 8; ++variant) expect_agrees(e, variant);
}

TEST_F(CudaTriangularSolve, WithoutRightHandSidesThereIsNothingToDo) {
  kernels::triangular_solve<float>({.tasks = 2, .matrices = 3, .n = 5, .k = 0},
                                   kernels::CudaContext{});
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

}  // namespace
}  // namespace metatape::cuda_tests
