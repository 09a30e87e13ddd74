#include "kernels/label/label.h"

#include <limits>

#include "tests/cuda/cuda_case.h"
#include "tests/support/reference.h"

namespace metatape::cuda_tests {
namespace {

using namespace kernels;
using reference::draw;
using reference::Random;

using Label = CudaTest;
using Labels = std::vector<std::int32_t>;

struct Size {
  std::int64_t tasks, rows, columns;
};
constexpr Size kSizes[] = {{1, 1, 1}, {3, 7, 5}, {4, 75, 20}, {2, 257, 3}};

/// One in eight lies outside of the columns.
Labels random_labels(std::int64_t count, std::int64_t columns, Random& random) {
  Labels labels(count);
  for (auto& label : labels) {
    label = std::int32_t(draw(random, 0, columns - 1));
    if (draw(random, 0, 7) == 0) label = draw(random, 0, 1) ? -1 : std::int32_t(columns);
  }
  return labels;
}

/// Calls check(size, stride of the values' tasks, of the labels' tasks): a task stride of 0 shares.
template <class Check>
void for_each_sharing(const Check& check) {
  for (const Size& size : kSizes) {
    for (bool shares_values : {false, true}) {
      for (bool shares_labels : {false, true}) {
        SCOPED_TRACE(testing::Message() << size.tasks << ' ' << size.rows << ' ' << size.columns);
        check(size, shares_values, shares_labels ? 0 : size.rows);
      }
    }
  }
}

TEST_F(Label, TakeAndPutAreThoseOfTheCpu) {
  Random random(91);
  for_each_sharing([&](const Size& size, bool shares, std::int64_t label_stride) {
    const auto [tasks, rows, columns] = size;
    const std::int64_t x_stride = shares ? 0 : rows * columns, y_stride = shares ? 0 : rows;
    const std::vector<float> x = random_values(tasks * rows * columns, 1);
    const std::vector<float> y_bar = random_values(tasks * rows, 2);
    const Labels label = random_labels(tasks * rows, columns, random);
    std::vector<float> y(tasks * rows), x_bar(x.size());
    take_label<float>(
        {tasks, rows, columns, x_stride, label_stride, x.data(), label.data(), y.data()},
        CpuContext{});
    put_label<float>(
        {tasks, rows, columns, y_stride, label_stride, y_bar.data(), label.data(), x_bar.data()},
        CpuContext{});
    EXPECT_EQ(
        run_repeatedly([&](const CudaContext& context) {
          const DeviceArray<float> in(x), out(y.size());
          const DeviceArray<std::int32_t> at(label);
          take_label<float>({tasks, rows, columns, x_stride, label_stride, in, at, out}, context);
          return out.read();
        }),
        y);
    EXPECT_EQ(
        run_repeatedly([&](const CudaContext& context) {
          const DeviceArray<float> in(y_bar), out(x.size());
          const DeviceArray<std::int32_t> at(label);
          put_label<float>({tasks, rows, columns, y_stride, label_stride, in, at, out}, context);
          return out.read();
        }),
        x_bar);
  });
}

TEST_F(Label, EqualIsThatOfTheCpu) {
  Random random(92);
  for_each_sharing([&](const Size& size, bool shares, std::int64_t b_stride) {
    const std::int64_t count = size.tasks * size.rows, a_stride = shares ? 0 : size.rows;
    const Labels a = random_labels(count, 3, random), b = random_labels(count, 3, random);
    std::vector<float> expected(count);
    equal_labels<float>(
        {size.tasks, size.rows, a_stride, b_stride, a.data(), b.data(), expected.data()},
        CpuContext{});
    EXPECT_EQ(run_repeatedly([&](const CudaContext& context) {
                const DeviceArray<std::int32_t> in_a(a), in_b(b);
                const DeviceArray<float> out(count);
                equal_labels<float>({size.tasks, size.rows, a_stride, b_stride, in_a, in_b, out},
                                    context);
                return out.read();
              }),
              expected);
  });
}

void expect_argmax_of_the_cpu(std::int64_t rows, std::int64_t columns,
                              const std::vector<float>& x) {
  Labels expected(rows);
  argmax(rows, columns, x.data(), expected.data(), CpuContext{});
  EXPECT_EQ(run_repeatedly([&](const CudaContext& context) {
              const DeviceArray<float> in(x);
              const DeviceArray<std::int32_t> out(rows);
              argmax<float>(rows, columns, in, out, context);
              return out.read();
            }),
            expected);
}

TEST_F(Label, ArgmaxTakesTheFirstOfEqualColumns) {
  for (std::int64_t columns : {1, 2, 5, 8, 31, 33, 200, 1024, 1025, 2000}) {
    for (std::int64_t rows : {1, 17, 300}) {
      SCOPED_TRACE(testing::Message() << rows << " x " << columns);
      std::vector<float> x = random_values(rows * columns, columns);
      for (float& v : x) v = std::round(3 * v);  // many ties
      expect_argmax_of_the_cpu(rows, columns, x);
    }
  }
  expect_argmax_of_the_cpu(70001, 2, random_values(140002, 3));
}

TEST_F(Label, ArgmaxNeverTakesNanUnlessItIsFirst) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  expect_argmax_of_the_cpu(5, 4, {nan, 1,    2,    3,    -inf, nan, -inf, -inf, 1,   nan,
                                  2,   -inf, -inf, -inf, -inf, nan, nan,  nan,  nan, nan});
}

TEST_F(Label, LaunchesNothingForNoElements) {
  for (const Size& size : {Size{2, 0, 5}, Size{0, 3, 5}}) {
    const auto [tasks, rows, columns] = size;
    take_label<float>({tasks, rows, columns, 0, 0, nullptr, nullptr, nullptr}, CudaContext{});
    put_label<float>({tasks, rows, columns, 0, 0, nullptr, nullptr, nullptr}, CudaContext{});
    equal_labels<float>({tasks, rows, 0, 0, nullptr, nullptr, nullptr}, CudaContext{});
  }
  argmax<float>(0, 5, nullptr, nullptr, CudaContext{});
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

}  // namespace
}  // namespace metatape::cuda_tests
