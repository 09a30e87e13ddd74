#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

using Choice = Var (*)(Var, Var, Loc);

/// Both cotangents of y = choose(a, b), joined.
Elements both_slopes(Choice choose) {
  Sandbox s;
  const Var operands[] = {s.value({3}, {1, 2, 3}), s.value({3}, {2, 2, 2})};
  const auto back = grad(choose(operands[0], operands[1], Loc::current()), operands);
  Elements slopes = s.run(back[0]);
  for (double value : s.run(back[1])) slopes.push_back(value);
  return slopes;
}

TEST(Maximum, TieGivesItsCotangentToTheFirst) {
  EXPECT_EQ(both_slopes(maximum), (Elements{0, 1, 1, 1, 0, 0}));
}

TEST(Minimum, TieGivesItsCotangentToTheFirst) {
  EXPECT_EQ(both_slopes(minimum), (Elements{1, 1, 0, 0, 0, 1}));
}

TEST(Greater, TellsTiesApartFromGreaterEqual) {
  Sandbox s;
  const Var a = s.value({3}, {1, 2, 3}), b = s.value({}, {2});
  EXPECT_EQ(s.run(greater(a, b)), (Elements{0, 0, 1}));
  EXPECT_EQ(s.run(greater_equal(a, b)), (Elements{0, 1, 1}));
}

TEST(ReluMask, AtZeroTakesTheSlope) {
  Sandbox s;
  const Var a = s.value({3}, {4, 5, 6}), x = s.value({3}, {-1, 0, 1});
  EXPECT_EQ(s.run(relu_mask(a, x, 0.5)), (Elements{2, 2.5, 6}));
  EXPECT_EQ(s.run(relu_mask(a, x)), (Elements{0, 0, 6}));
}

TEST(ElementwiseBinary, EmptyOperandsGiveEmptyResults) {
  Sandbox s;
  const Var a = s.zeros({0, 3}), b = s.value({3}, {1, 2, 3});
  EXPECT_EQ(s.run(a * b), Elements());
  EXPECT_EQ(s.run(grad(sum(a * b), {&b, 1})[0]), (Elements{0, 0, 0}));
}

TEST(ElementwiseBinary, RejectsExtentsThatDoNotStretch) {
  Sandbox s;
  const Var a = s.zeros({2, 3}), b = s.zeros({2});
  const std::string found = "operands [2,3] and [2] do not stretch to one shape";
  expect_rejected(ErrorKind::shape, "add", found, [&] { a + b; });
  expect_rejected(ErrorKind::shape, "sub", found, [&] { a - b; });
  expect_rejected(ErrorKind::shape, "mul", found, [&] { a* b; });
  expect_rejected(ErrorKind::shape, "div", found, [&] { a / b; });
  expect_rejected(ErrorKind::shape, "maximum", found, [&] { maximum(a, b); });
  expect_rejected(ErrorKind::shape, "minimum", found, [&] { minimum(a, b); });
  expect_rejected(ErrorKind::shape, "greater", found, [&] { greater(a, b); });
  expect_rejected(ErrorKind::shape, "greater_equal", found, [&] { greater_equal(a, b); });
  expect_rejected(ErrorKind::shape, "relu_mask", found, [&] { relu_mask(a, b); });
}

TEST(ElementwiseBinary, RejectsDifferentTaskExtents) {
  Sandbox s;
  const Var a = s.zeros(Shape{3}.with_tasks(2)), b = s.zeros(Shape{3}.with_tasks(4));
  expect_rejected(ErrorKind::shape, "add", "operands 2x[3] and 4x[3] do not stretch to one shape",
                  [&] { add(a, b); });
}

TEST(ElementwiseBinary, RejectsMixedTypes) {
  Sandbox s;
  const Var a = s.zeros({3}, DType::f32), b = s.zeros({3}, DType::f64);
  expect_rejected(ErrorKind::dtype, "mul",
                  "operand types are f32 and f64, expected one of f32, f64 for all",
                  [&] { mul(a, b); });
}

TEST(ElementwiseBinary, RejectsEmptyOperandsAndOtherTapes) {
  Sandbox s, other;
  const Var a = s.zeros({3}), foreign = other.zeros({3});
  expect_rejected(ErrorKind::usage, "add", "operand 1 is empty", [&] { add(a, Var{}); });
  expect_rejected(ErrorKind::usage, "add", "both operands are empty", [&] { add(Var{}, Var{}); });
  expect_rejected(ErrorKind::usage, "add", "operand 1 belongs to another tape",
                  [&] { add(a, foreign); });
}

}  // namespace
}  // namespace metatape
