#include "engine/tape.h"

#include <gtest/gtest.h>

#include "engine/dump.h"
#include "engine/op.h"
#include "engine/ops.h"
#include "tests/support/expect_error.h"
#include "tests/support/expect_rejected.h"

namespace metatape {
namespace {

TEST(Tape, RecordsInstructionsWithTypesAndOperands) {
  Tape tape;
  const Var x = tape.input("x", Shape{2, 3}.with_tasks(4), DType::f32);
  const Var y = sum(x);
  ASSERT_EQ(tape.size(), 2);
  EXPECT_EQ(tape.at(y.id).op, OpId::sum_to);
  EXPECT_EQ(tape.at(y.id).inputs, std::vector<int>{x.id});
  EXPECT_EQ(y.shape(), Shape().with_tasks(4));
  EXPECT_EQ(y.dtype(), DType::f32);
  EXPECT_EQ(y.tasks(), 4);
  EXPECT_EQ(x.rank(), 2);
  EXPECT_EQ(x.extent(-1), 3);
  EXPECT_STREQ(tape.at(y.id).where.file_name(), __FILE__);
}

TEST(Tape, EmptyVarIsNoValue) {
  EXPECT_FALSE(Var{});
  Tape tape;
  EXPECT_TRUE(tape.input("x", {}, DType::f32));
}

TEST(Tape, FailedRecordingLeavesItAsItWas) {
  Tape tape;
  const Var a = tape.input("a", {2}, DType::f32), b = tape.input("b", {3}, DType::f32);
  expect_rejected(ErrorKind::shape, "add", "do not stretch", [&] { add(a, b); });
  EXPECT_EQ(tape.size(), 2);
}

TEST(Tape, RejectsOperandsOfAnotherTape) {
  Tape one, two;
  const Var a = one.input("a", {2}, DType::f32), b = two.input("b", {2}, DType::f32);
  expect_rejected(ErrorKind::usage, "mul", "operand 1 belongs to another tape", [&] { a* b; });
  EXPECT_EQ(one.size(), 1);
}

TEST(Tape, DeclaringASlotAgainGivesTheSameValue) {
  Tape tape;
  const Var w = tape.state("w", {3}, DType::f64), x = tape.input("x", {3}, DType::f64);
  EXPECT_EQ(tape.state("w", {3}, DType::f64).id, w.id);
  EXPECT_EQ(tape.input("x", {3}, DType::f64).id, x.id);
  ASSERT_EQ(tape.slots().size(), 2u);
  EXPECT_EQ(tape.slots()[0].kind, Slot::Kind::state);
  EXPECT_EQ(tape.slots()[1].name, "x");
}

TEST(Tape, RejectsASlotOfAnotherTypeOrKind) {
  Tape tape;
  tape.state("w", {3}, DType::f64);
  expect_rejected(ErrorKind::usage, "w",
                  "declared as f32 [3], but the tape already holds that name as f64 [3]",
                  [&] { tape.state("w", {3}, DType::f32); });
  expect_rejected(ErrorKind::usage, "w", "declared as f64 [4]",
                  [&] { tape.state("w", {4}, DType::f64); });
  expect_rejected(ErrorKind::usage, "w", "declared as f64 [3]",
                  [&] { tape.input("w", {3}, DType::f64); });
}

TEST(Scope, NestsAndEnds) {
  Tape tape;
  const Var x = tape.input("x", {}, DType::f32);
  auto scope_of = [&](Var v) { return tape.scope_name(tape.at(v.id).scope); };
  {
    const Scope outer(tape, "inner/0");
    EXPECT_EQ(scope_of(exp(x)), "inner/0");
    {
      const Scope inner(tape, "loss");
      EXPECT_EQ(scope_of(exp(x)), "inner/0/loss");
    }
    EXPECT_EQ(scope_of(exp(x)), "inner/0");
  }
  EXPECT_EQ(scope_of(exp(x)), "");
}

TEST(RecomputeSegment, DoesNotNest) {
  Tape tape;
  const RecomputeSegment segment(tape);
  expect_error(ErrorKind::usage, "segments do not nest", [&] { RecomputeSegment again(tape); });
}

TEST(Shape, PrintsTasksAndExtents) {
  EXPECT_EQ((Shape{5, 14}.with_tasks(32).str()), "32x[5,14]");
  EXPECT_EQ((Shape{64}.str()), "[64]");
  EXPECT_EQ(Shape().str(), "[]");
}

TEST(Shape, RefusesTooManyAxesAndExtentsBelowZero) {
  expect_error(ErrorKind::shape, "a value has 6 axes per task, at most 5 are possible",
               [] { Shape{1, 1, 1, 1, 1, 1}; });
  expect_error(ErrorKind::shape, "extent -1 is negative", [] { Shape{2, -1}; });
  const std::int64_t extents[] = {2};
  expect_error(ErrorKind::shape, "task extent 0 is below 1", [&] { Shape(0, extents); });
}

TEST(Attr, EqualContentsAreEqualBytes) {
  struct Padded {
    char a;
    double b;
  };
  const double half = 0.5;
  EXPECT_EQ(Attr::of(half).bytes(), Attr::of(half).bytes());
  EXPECT_NE(Attr::of(0.0).bytes(), Attr::of(-0.0).bytes());
  EXPECT_EQ(Attr::of(Padded{'x', 2}).as<Padded>().b, 2);
}

TEST(Op, EveryRecordHasANameAndARule) {
  for (int k = 0; k < kOpCount; ++k) {
    EXPECT_NE(op_def(OpId(k)).infer, nullptr) << op_name(OpId(k));
    EXPECT_GT(std::string(op_name(OpId(k))).size(), 2u);
  }
}

}  // namespace
}  // namespace metatape
