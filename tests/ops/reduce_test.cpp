#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

TEST(SumTo, OfNothingIsZero) {
  Sandbox s;
  EXPECT_EQ(s.run(sum_to(s.zeros({0, 3}), {3})), (Elements{0, 0, 0}));
  EXPECT_EQ(s.run(dot(s.zeros({0}), s.zeros({0}))), (Elements{0}));
}

TEST(SumTo, AndBroadcastToTheSameShapeRecordNothing) {
  Sandbox s;
  const Var x = s.zeros({2, 3});
  EXPECT_EQ(sum_to(x, {2, 3}).id, x.id);
  EXPECT_EQ(broadcast_to(x, {2, 3}).id, x.id);
}

TEST(SumTo, RejectsAShapeThatDoesNotStretchBack) {
  Sandbox s;
  const Var x = s.zeros({2, 3});
  expect_rejected(ErrorKind::shape, "sum_to", "[2,3] cannot be summed to [2]: it does not stretch",
                  [&] { sum_to(x, {2}); });
  expect_rejected(ErrorKind::dtype, "sum_to", "operand types are i32 and i32",
                  [&] { sum_to(s.zeros({2}, DType::i32), {}); });
}

TEST(SumProductTo, RejectsFactorsAndResultsThatDoNotFit) {
  Sandbox s;
  const Var a = s.zeros({2, 3}), b = s.zeros({2}), c = s.zeros({3});
  expect_rejected(ErrorKind::shape, "sum_product_to", "[2,3] times [2] cannot be summed to []",
                  [&] { sum_product_to(a, b, {}); });
  expect_rejected(ErrorKind::shape, "sum_product_to", "[2,3] times [3] cannot be summed to [5]",
                  [&] { sum_product_to(a, c, {5}); });
  expect_rejected(ErrorKind::dtype, "sum_product_to", "operand types are f64 and f32",
                  [&] { sum_product_to(a, s.zeros({3}, DType::f32), {}); });
  expect_rejected(ErrorKind::shape, "sum_product_to", "2x[3] times 4x[3] cannot be summed",
                  [&] { dot(s.zeros(Shape{3}.with_tasks(2)), s.zeros(Shape{3}.with_tasks(4))); });
}

TEST(BroadcastTo, RejectsAShapeItDoesNotStretchTo) {
  Sandbox s;
  const Var x = s.zeros(Shape{3}.with_tasks(2));
  expect_rejected(ErrorKind::shape, "broadcast_to", "2x[3] does not stretch to 4x[3]",
                  [&] { broadcast_tasks(x, 4); });
  expect_rejected(ErrorKind::shape, "broadcast_to", "2x[3] does not stretch to [3]",
                  [&] { broadcast_to(x, {3}); });
}

TEST(BroadcastTo, RepeatsLabels) {
  Sandbox s;
  EXPECT_EQ(s.run(broadcast_tasks(s.value({2}, {4, 5}, DType::i32), 2)), (Elements{4, 5, 4, 5}));
}

TEST(SumAxes, RejectsAnAxisThatIsNotThere) {
  Sandbox s;
  const Var x = s.zeros({2, 3});
  const int beyond[] = {2}, before[] = {-3};
  expect_rejected(ErrorKind::shape, "sum_axes", "axis 2 of a value [2,3]",
                  [&] { sum_axes(x, beyond); });
  expect_rejected(ErrorKind::shape, "sum_axes", "axis -3 of a value [2,3]",
                  [&] { mean_axes(x, before); });
}

}  // namespace
}  // namespace metatape
