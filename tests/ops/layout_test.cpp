#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

TEST(Reshape, RejectsAnotherCountAndTooManyAxes) {
  Sandbox s;
  const Var x = s.zeros(Shape{2, 3}.with_tasks(4));
  expect_rejected(ErrorKind::shape, "reshape", "4x[2,3] has 24 elements, 4x[5] has 20",
                  [&] { reshape(x, {5}); });
}

TEST(Reshape, KeepsLabels) {
  Sandbox s;
  EXPECT_EQ(s.run(reshape(s.value({4}, {1, 2, 3, 4}, DType::i32), {2, 2})), (Elements{1, 2, 3, 4}));
}

TEST(StopGradient, OfAPartLeavesTheRest) {
  Sandbox s;
  const Var x = s.scalar(3);
  EXPECT_EQ(s.run(grad(stop_gradient(x) * x, {&x, 1})[0]), (Elements{3}));
}

TEST(Transpose, RejectsWhatIsNoPermutation) {
  Sandbox s;
  const Var x = s.zeros({2, 3});
  const int twice[] = {0, 0}, few[] = {0}, beyond[] = {0, 2};
  expect_rejected(ErrorKind::shape, "transpose",
                  "(0,0) is not a permutation of the 2 axes of [2,3]",
                  [&] { transpose(x, twice); });
  expect_rejected(ErrorKind::shape, "transpose", "(0) is not a permutation of the 2 axes",
                  [&] { transpose(x, few); });
  expect_rejected(ErrorKind::shape, "transpose", "(0,2) is not a permutation",
                  [&] { transpose(x, beyond); });
  expect_rejected(ErrorKind::shape, "transpose", "[3] has fewer than two axes",
                  [&] { transpose(s.zeros({3})); });
}

TEST(Slice, RejectsPlacesOutsideItsOperand) {
  Sandbox s;
  const Var x = s.zeros({5});
  expect_rejected(ErrorKind::shape, "slice", "3 elements from 3 in steps of 1 along axis 0 of [5]",
                  [&] { slice(x, 0, 3, 6); });
  expect_rejected(ErrorKind::shape, "slice", "elements from -1 in steps of 1",
                  [&] { slice(x, 0, -1, 2); });
  expect_rejected(ErrorKind::shape, "slice", "in steps of 0", [&] { slice(x, 0, 0, 2, 0); });
  expect_rejected(ErrorKind::shape, "slice", "elements from 4", [&] { slice(x, 0, 4, 2); });
  expect_rejected(ErrorKind::shape, "slice", "axis 1 of a value [5]", [&] { slice(x, 1, 0, 1); });
}

TEST(Slice, OfNoElementsIsEmpty) {
  Sandbox s;
  const Var x = s.value({3}, {1, 2, 3}), none = slice(x, 0, 2, 2);
  EXPECT_EQ(none.shape(), (Shape{0}));
  EXPECT_EQ(s.run(none), Elements());
  EXPECT_EQ(s.run(grad(sum(none), {&x, 1})[0]), (Elements{0, 0, 0}));
}

TEST(Pad, RejectsAnExtentThatIsTooSmall) {
  Sandbox s;
  const Var x = s.zeros({2, 3});
  expect_rejected(ErrorKind::shape, "pad",
                  "[2,3] placed from 1 in steps of 2 along axis 1 does not fit an extent of 5",
                  [&] { pad(x, 1, 5, 1, 2); });
  expect_rejected(ErrorKind::shape, "pad", "placed from -1", [&] { pad(x, 1, 5, -1); });
  expect_rejected(ErrorKind::shape, "pad", "axis -3 of a value [2,3]", [&] { pad(x, -3, 5, 0); });
  expect_rejected(ErrorKind::dtype, "pad", "operand is u8, expected f32, f64 or i32",
                  [&] { pad(s.zeros({2}, DType::u8), 0, 4, 0); });
}

TEST(Concat, RejectsPartsThatDoNotFit) {
  Sandbox s;
  const Var a = s.zeros({2, 3}), b = s.zeros({4, 2}), c = s.zeros({2, 3}, DType::f32);
  expect_rejected(ErrorKind::usage, "concat", "there is nothing to join", [&] { concat({}, 0); });
  expect_rejected(ErrorKind::shape, "concat", "parts [2,3] and [4,2] differ beside axis 0", [&] {
    concat(std::vector{a, b}, 0);
  });
  expect_rejected(ErrorKind::shape, "concat", "parts [2,3] and [3] differ beside axis 0", [&] {
    concat(std::vector{a, s.zeros({3})}, 0);
  });
  expect_rejected(ErrorKind::dtype, "concat", "parts have types f64 and f32", [&] {
    concat(std::vector{a, c}, 0);
  });
  expect_rejected(ErrorKind::shape, "concat", "axis 2 of a value [2,3]",
                  [&] { concat(std::vector{a}, 2); });
  const Var two = s.zeros(Shape{3}.with_tasks(2)), four = s.zeros(Shape{3}.with_tasks(4));
  expect_rejected(ErrorKind::shape, "concat", "operands have 2 and 4 tasks, expected equal or 1",
                  [&] {
                    concat(std::vector{two, four}, 0);
                  });
}

TEST(Concat, JoinsLabels) {
  Sandbox s;
  const std::vector<Var> parts{s.value({1}, {1}, DType::i32), s.value({2}, {2, 3}, DType::i32)};
  EXPECT_EQ(s.run(concat(parts, 0)), (Elements{1, 2, 3}));
}

}  // namespace
}  // namespace metatape
