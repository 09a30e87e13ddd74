#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

TEST(LogSoftmax, DoesNotOverflow) {
  Sandbox s;
  EXPECT_EQ(s.run(log_softmax(s.value({3}, {-2000, 1000, -2000}))), (Elements{-3000, 0, -3000}));
}

TEST(LogSoftmax, RejectsValuesWithoutClasses) {
  Sandbox s;
  expect_rejected(ErrorKind::shape, "log_softmax", "x [] needs a last axis of at least one",
                  [&] { log_softmax(s.zeros({})); });
  expect_rejected(ErrorKind::shape, "argmax", "x [2,0] needs a last axis of at least one", [&] {
    argmax(s.zeros({2, 0}));
  });
  expect_rejected(ErrorKind::dtype, "log_softmax", "operand types are i32 and i32",
                  [&] { log_softmax(s.zeros({2}, DType::i32)); });
}

TEST(Argmax, FirstOfEqualsWins) {
  Sandbox s;
  EXPECT_EQ(s.run(argmax(s.value({2, 3}, {1, 2, 2, 0, 0, 0}))), (Elements{1, 0}));
}

TEST(TakeLabel, RejectsLabelsThatDoNotFit) {
  Sandbox s;
  const Var logits = s.zeros({4, 5});
  expect_rejected(ErrorKind::shape, "take_label", "labels [5] do not fit, expected [4]",
                  [&] { take_label(logits, s.zeros({5}, DType::i32)); });
  expect_rejected(ErrorKind::dtype, "take_label", "operand 1 is f64, expected i32",
                  [&] { cross_entropy(logits, s.zeros({4})); });
}

TEST(PutLabel, RejectsLabelsAndClassesThatDoNotFit) {
  Sandbox s;
  const Var y_bar = s.zeros({4}), label = s.zeros({4}, DType::i32);
  expect_rejected(ErrorKind::shape, "put_label", "labels [3] do not fit, expected [4]",
                  [&] { put_label(y_bar, s.zeros({3}, DType::i32), 5); });
  expect_rejected(ErrorKind::shape, "put_label", "0 classes, expected at least one",
                  [&] { put_label(y_bar, label, 0); });
  expect_rejected(ErrorKind::dtype, "put_label", "operand 1 is f64, expected i32",
                  [&] { put_label(y_bar, y_bar, 5); });
}

TEST(EqualLabels, RejectsOtherTypesAndExtents) {
  Sandbox s;
  const Var label = s.zeros({4}, DType::i32);
  expect_rejected(ErrorKind::shape, "equal_labels", "labels [4] and [3] differ in extents",
                  [&] { equal_labels(label, s.zeros({3}, DType::i32)); });
  expect_rejected(ErrorKind::dtype, "equal_labels", "operand 1 is f64, expected i32",
                  [&] { equal_labels(label, s.zeros({4})); });
}

TEST(MeanSquaredError, RejectsShapesThatDoNotStretch) {
  Sandbox s;
  expect_rejected(ErrorKind::shape, "sub", "operands [4] and [3] do not stretch to one shape",
                  [&] { mean_squared_error(s.zeros({4}), s.zeros({3})); });
}

}  // namespace
}  // namespace metatape
