#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

TEST(Conv2d, RejectsOperandsThatDoNotFit) {
  Sandbox s;
  const Var x = s.zeros({5, 8, 8, 3}), w = s.zeros({4, 3, 3, 3});
  expect_rejected(ErrorKind::shape, "conv2d", "x [5,8,8,3] has 3 channels, w [4,3,3,1] expects 1",
                  [&] {
                    conv2d(x, s.zeros({4, 3, 3, 1}));
                  });
  expect_rejected(ErrorKind::shape, "conv2d",
                  "operands [5,8,3] and [4,3,3,3] need four axes each (NHWC images, KRSC filters)",
                  [&] {
                    conv2d(s.zeros({5, 8, 3}), w);
                  });
  expect_rejected(ErrorKind::shape, "conv2d", "a 9x3 filter does not fit a 8x8 image with pad 0",
                  [&] {
                    conv2d(x, s.zeros({4, 9, 3, 3}));
                  });
  expect_rejected(ErrorKind::shape, "conv2d",
                  "stride 0 and pad 0: expected stride >= 1 and pad >= 0",
                  [&] { conv2d(x, w, {.stride = 0}); });
  expect_rejected(ErrorKind::shape, "conv2d", "stride 1 and pad -1",
                  [&] { conv2d(x, w, {.pad = -1}); });
  expect_rejected(ErrorKind::dtype, "conv2d", "operand types are f64 and f32", [&] {
    conv2d(x, s.zeros({4, 3, 3, 3}, DType::f32));
  });
  expect_rejected(
      ErrorKind::shape, "conv2d", "operands have 2 and 3 tasks, expected equal or 1", [&] {
        conv2d(s.zeros(Shape{1, 1, 1, 1}.with_tasks(2)), s.zeros(Shape{1, 1, 1, 1}.with_tasks(3)));
      });
}

TEST(Conv2dInputGrad, RejectsAResultOfAnotherImage) {
  Sandbox s;
  const Var y_bar = s.zeros({5, 6, 6, 4}), w = s.zeros({4, 3, 3, 3});
  expect_rejected(ErrorKind::shape, "conv2d_input_grad",
                  "y_bar [5,6,6,4] is not the result [5,7,7,4] of [5,9,9,3] with w [4,3,3,3]",
                  [&] { conv2d_input_grad(y_bar, w, 9, 9); });
  expect_rejected(ErrorKind::shape, "conv2d_input_grad", "a 3x3 filter does not fit a 2x8 image",
                  [&] { conv2d_input_grad(y_bar, w, 2, 8); });
  expect_rejected(ErrorKind::shape, "conv2d_input_grad", "need four axes each",
                  [&] { conv2d_input_grad(s.zeros({5}), w, 8, 8); });
}

TEST(Conv2dWeightGrad, RejectsAResultOfAnotherFilter) {
  Sandbox s;
  const Var x = s.zeros({5, 8, 8, 3}), y_bar = s.zeros({5, 6, 6, 4});
  expect_rejected(
      ErrorKind::shape, "conv2d_weight_grad",
      "y_bar [5,6,6,4] is not the result [5,4,4,4] of x [5,8,8,3] with filters [4,5,5,3]",
      [&] { conv2d_weight_grad(x, y_bar, 5, 5); });
  expect_rejected(ErrorKind::shape, "conv2d_weight_grad", "a 0x3 filter does not fit a 8x8 image",
                  [&] { conv2d_weight_grad(x, y_bar, 0, 3); });
}

}  // namespace
}  // namespace metatape
