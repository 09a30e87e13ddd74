#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

TEST(MaxPool2d, FirstOfEqualsWinsAndGetsTheWholeCotangent) {
  Sandbox s;
  const Var x = s.value({1, 2, 2, 1}, {3, 3, 3, 1});
  EXPECT_EQ(s.run(max_pool_index(x)), (Elements{0}));
  EXPECT_EQ(s.run(grad(max_pool2d(x), {&x, 1})[0]), (Elements{1, 0, 0, 0}));
}

TEST(MaxPool2d, OverlappingWindowsAddTheirCotangents) {
  Sandbox s;
  const Var x = s.value({1, 2, 3, 1}, {0, 9, 0, 1, 2, 3});
  const Var y = max_pool2d(x, {.window = 2, .stride = 1});
  EXPECT_EQ(s.run(y), (Elements{9, 9}));
  EXPECT_EQ(s.run(grad(y, {&x, 1})[0]), (Elements{0, 2, 0, 0, 0, 0}));
}

TEST(MaxPool2d, RejectsWhatIsNoImageOrTooSmall) {
  Sandbox s;
  expect_rejected(ErrorKind::shape, "max_pool_index", "x [4,4] needs four axes NHWC", [&] {
    max_pool2d(s.zeros({4, 4}));
  });
  const Var x = s.zeros({1, 3, 5, 2});
  expect_rejected(ErrorKind::shape, "max_pool_index",
                  "a 4x4 window in steps of 2 does not fit a 3x5 image",
                  [&] { max_pool2d(x, {.window = 4}); });
  expect_rejected(ErrorKind::shape, "max_pool_index", "a 2x2 window in steps of 0 does not fit",
                  [&] { max_pool2d(x, {.stride = 0}); });
  expect_rejected(ErrorKind::dtype, "max_pool_index", "operand types are i32 and i32", [&] {
    max_pool_index(s.zeros({1, 2, 2, 1}, DType::i32));
  });
  expect_rejected(ErrorKind::shape, "max_pool_index",
                  "a 17x17 window is too large, expected 16x16 at most", [&] {
                    max_pool2d(s.zeros({1, 20, 20, 1}), {.window = 17});
                  });
}

TEST(PoolGather, RejectsAnIndexOfAnotherPooling) {
  Sandbox s;
  const Var x = s.zeros({1, 4, 4, 1});
  expect_rejected(ErrorKind::shape, "pool_gather",
                  "index [1,3,3,1] does not fit, expected [1,2,2,1]", [&] {
                    pool_gather(x, max_pool_index(s.zeros({1, 6, 6, 1})));
                  });
  expect_rejected(ErrorKind::dtype, "pool_gather", "operand 1 is f64, expected u8", [&] {
    pool_gather(x, s.zeros({1, 2, 2, 1}));
  });
}

TEST(PoolScatter, RejectsAResultOfAnotherImage) {
  Sandbox s;
  const Var y_bar = s.zeros({1, 2, 2, 1}), index = max_pool_index(s.zeros({1, 4, 4, 1}));
  expect_rejected(ErrorKind::shape, "pool_scatter",
                  "y_bar [1,2,2,1] is not the pooled form [1,3,3,1] of [1,6,6,1]",
                  [&] { pool_scatter(y_bar, index, 6, 6); });
  expect_rejected(ErrorKind::dtype, "pool_scatter", "operand 1 is f64, expected u8",
                  [&] { pool_scatter(y_bar, y_bar, 4, 4); });
}

}  // namespace
}  // namespace metatape
