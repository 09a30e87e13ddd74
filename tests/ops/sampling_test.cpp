#include <gtest/gtest.h>

#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

TEST(DrawMembers, RejectsCountersAndTablesThatDoNotFit) {
  Sandbox s;
  const Var number = s.zeros({}, DType::i32), table = s.zeros({3, 2}, DType::i32);
  expect_rejected(ErrorKind::shape, "draw_members", "iteration is [1], expected one number",
                  [&] { draw_members(s.zeros({1}, DType::i32), number, table, {}); });
  expect_rejected(ErrorKind::dtype, "draw_members", "operand 1 is f64, expected i32",
                  [&] { draw_members(number, s.zeros({}), table, {}); });
  expect_rejected(ErrorKind::shape, "draw_members", "table is [3,3], expected [groups,2]", [&] {
    draw_members(number, number, s.zeros({3, 3}, DType::i32), {});
  });
}

TEST(DrawMembers, RejectsMoreGroupsThanThereAre) {
  Sandbox s;
  const Var number = s.zeros({}, DType::i32), table = s.zeros({3, 2}, DType::i32);
  expect_rejected(ErrorKind::shape, "draw_members", "4 distinct groups, table [3,2] gives 3",
                  [&] { draw_members(number, number, table, {.groups = 4}); });
  draw_members(number, number, table, {.groups = 12, .turns = kernels::Turns::as_groups});
  expect_rejected(
      ErrorKind::shape, "draw_members", "13 distinct groups, table [3,2] gives 12", [&] {
        draw_members(number, number, table, {.groups = 13, .turns = kernels::Turns::as_groups});
      });
  expect_rejected(ErrorKind::shape, "draw_members", "each must be at least 1",
                  [&] { draw_members(number, number, table, {.members = 0}); });
}

TEST(GatherImages, RejectsWhatIsNoSetOrNoChoice) {
  Sandbox s;
  const Var images = s.zeros({5, 3, 3, 1}, DType::u8), choice = s.zeros({4, 2}, DType::i32);
  EXPECT_EQ(gather_images(images, choice).shape(), (Shape{4, 3, 3, 1}));
  expect_rejected(ErrorKind::shape, "gather_images", "images are [3,3,1], expected [images,H,W,C]",
                  [&] {
                    gather_images(s.zeros({3, 3, 1}, DType::u8), choice);
                  });
  expect_rejected(ErrorKind::dtype, "gather_images", "operand 0 is i32, expected u8",
                  [&] { gather_images(choice, choice); });
  expect_rejected(ErrorKind::shape, "gather_images", "choice is [4,3], expected [...,2]", [&] {
    gather_images(images, s.zeros({4, 3}, DType::i32));
  });
  expect_rejected(ErrorKind::shape, "gather_images", "has 4 axes, at most 3 are possible", [&] {
    gather_images(images, s.zeros({1, 1, 4, 2}, DType::i32));
  });
  expect_rejected(ErrorKind::dtype, "gather_images", "result is i32, expected f32 or f64",
                  [&] { gather_images(images, choice, DType::i32); });
}

TEST(Increment, RejectsOtherTypes) {
  Sandbox s;
  expect_rejected(ErrorKind::dtype, "increment", "operand 0 is f64, expected i32",
                  [&] { increment(s.zeros({})); });
}

}  // namespace
}  // namespace metatape
