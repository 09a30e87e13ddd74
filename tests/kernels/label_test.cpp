#include "kernels/label/label.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/reference.h"

namespace metatape::kernels {
namespace {

using namespace reference;

template <class T>
class Label : public testing::Test {};
using FloatTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Label, FloatTypes);

struct Size {
  std::int64_t tasks, rows, columns;
};
constexpr Size kSizes[] = {{1, 1, 1}, {3, 7, 5}, {4, 75, 200}, {2, 0, 5}, {0, 3, 5}};

std::vector<std::int32_t> random_labels(std::int64_t count, std::int64_t columns, Random& random) {
  std::vector<std::int32_t> labels(count);
  for (auto& label : labels) label = std::int32_t(draw(random, 0, columns - 1));
  return labels;
}

TYPED_TEST(Label, TakePicksOneColumnPerRow) {
  using T = TypeParam;
  Random random(41);
  for (const Size& size : kSizes) {
    for (bool shared_x : {false, true}) {
      for (bool shared_labels : {false, true}) {
        const auto [tasks, rows, columns] = size;
        const std::int64_t x_stride = shared_x ? 0 : rows * columns;
        const std::int64_t label_stride = shared_labels ? 0 : rows;
        const std::vector<T> x = random_values<T>(tasks * rows * columns, random);
        const auto label = random_labels(tasks * rows, columns, random);
        std::vector<T> y(tasks * rows), expected;
        take_label<T>(
            {tasks, rows, columns, x_stride, label_stride, x.data(), label.data(), y.data()}, {2});
        for (std::int64_t t = 0; t < tasks; ++t) {
          for (std::int64_t r = 0; r < rows; ++r) {
            expected.push_back(x[t * x_stride + r * columns + label[t * label_stride + r]]);
          }
        }
        EXPECT_EQ(y, expected);
      }
    }
  }
}

TYPED_TEST(Label, PutWritesOneColumnAndZeroesTheRest) {
  using T = TypeParam;
  Random random(42);
  for (const Size& size : kSizes) {
    for (bool shared_y : {false, true}) {
      for (bool shared_labels : {false, true}) {
        const auto [tasks, rows, columns] = size;
        const std::int64_t y_stride = shared_y ? 0 : rows;
        const std::int64_t label_stride = shared_labels ? 0 : rows;
        const std::vector<T> y_bar = random_values<T>(tasks * rows, random);
        const auto label = random_labels(tasks * rows, columns, random);
        std::vector<T> x_bar(tasks * rows * columns, T(9)), expected(x_bar.size(), T(0));
        put_label<T>({tasks, rows, columns, y_stride, label_stride, y_bar.data(), label.data(),
                      x_bar.data()},
                     {2});
        for (std::int64_t t = 0; t < tasks; ++t) {
          for (std::int64_t r = 0; r < rows; ++r) {
            expected[(t * rows + r) * columns + label[t * label_stride + r]] =
                y_bar[t * y_stride + r];
          }
        }
        EXPECT_EQ(x_bar, expected);
      }
    }
  }
}

TYPED_TEST(Label, OutsideTheColumnsReadsZeroAndWritesNothing) {
  using T = TypeParam;
  const std::vector<T> x{1, 2, 3, 4, 5, 6};
  const std::vector<std::int32_t> label{-1, 2, std::numeric_limits<std::int32_t>::max()};
  std::vector<T> y(3, T(9)), x_bar(6, T(9));
  take_label<T>({1, 3, 2, 6, 3, x.data(), label.data(), y.data()}, CpuContext{});
  EXPECT_EQ(y, std::vector<T>(3, T(0)));
  put_label<T>({1, 3, 2, 3, 3, x.data(), label.data(), x_bar.data()}, CpuContext{});
  EXPECT_EQ(x_bar, std::vector<T>(6, T(0)));
}

TYPED_TEST(Label, ArgmaxTakesTheFirstOfEqualColumns) {
  using T = TypeParam;
  const std::vector<T> x{1, 3, 3, -2, -1, -1, 4, 4, 4, 0, 1, 2};
  std::vector<std::int32_t> index(4, -1);
  argmax(4, 3, x.data(), index.data(), CpuContext{});
  EXPECT_EQ(index, (std::vector<std::int32_t>{1, 1, 0, 2}));
}

TYPED_TEST(Label, ArgmaxMatchesTheStandardLibrary) {
  using T = TypeParam;
  Random random(43);
  for (std::int64_t columns : {1, 5, 97}) {
    const std::int64_t rows = 60000 / columns;
    const std::vector<T> x = random_values<T>(rows * columns, random);
    std::vector<std::int32_t> index(rows), expected;
    argmax(rows, columns, x.data(), index.data(), CpuContext{.threads = 2});
    for (auto row = x.begin(); std::int64_t(expected.size()) < rows; row += columns) {
      expected.push_back(std::int32_t(std::max_element(row, row + columns) - row));
    }
    EXPECT_EQ(index, expected);
  }
}

TYPED_TEST(Label, EqualLabelsComparesRowByRowAndSharesAnOperand) {
  using T = TypeParam;
  const std::vector<std::int32_t> a{0, 1, 2, 2, 1, 0}, b{0, 2, 2};
  std::vector<T> y(6, T(-1));
  equal_labels<T>({2, 3, 3, 0, a.data(), b.data(), y.data()}, CpuContext{.threads = 2});
  EXPECT_EQ(y, (std::vector<T>{1, 0, 1, 0, 0, 0}));
}

}  // namespace
}  // namespace metatape::kernels
