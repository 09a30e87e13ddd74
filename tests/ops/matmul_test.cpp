#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

TEST(Matmul, RejectsOperandsThatDoNotFit) {
  Sandbox s;
  const Var a = s.zeros({2, 3}), b = s.zeros({4, 3});
  expect_rejected(ErrorKind::shape, "matmul", "[2,3] times [4,3]: inner extents 3 and 4 differ",
                  [&] { matmul(a, b); });
  expect_rejected(ErrorKind::shape, "matmul", "[2,3]' times [4,3]': inner extents 2 and 3 differ",
                  [&] { matmul(a, b, {.transpose_a = true, .transpose_b = true}); });
  expect_rejected(ErrorKind::shape, "matmul", "operands [2,3] and [3] need two axes at least",
                  [&] { matmul(a, s.zeros({3})); });
  expect_rejected(ErrorKind::shape, "matmul", "leading axes of [2,2,3] and [5,3,2] differ", [&] {
    matmul(s.zeros({2, 2, 3}), s.zeros({5, 3, 2}));
  });
  expect_rejected(ErrorKind::dtype, "matmul", "operand types are f64 and f32", [&] {
    matmul(a, s.zeros({3, 2}, DType::f32));
  });
  expect_rejected(ErrorKind::shape, "matmul", "operands have 2 and 3 tasks, expected equal or 1",
                  [&] {
                    matmul(s.zeros(Shape{1, 1}.with_tasks(2)), s.zeros(Shape{1, 1}.with_tasks(3)));
                  });
}

TEST(Matmul, OverNoInnerElementsIsZero) {
  Sandbox s;
  EXPECT_EQ(s.run(matmul(s.zeros({2, 0}), s.zeros({0, 2}))), (Elements{0, 0, 0, 0}));
}

}  // namespace
}  // namespace metatape
