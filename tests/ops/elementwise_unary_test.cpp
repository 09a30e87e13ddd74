#include <gtest/gtest.h>

#include <cmath>

#include "engine/autodiff.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

/// d sum(y) / dx.
Elements slope(Sandbox& s, Var y, Var x) { return s.run(grad(y, {&x, 1})[0]); }

TEST(Relu, DerivativeAtZeroIsTheSlope) {
  Sandbox s;
  const Var x = s.value({3}, {-1, 0, 2});
  EXPECT_EQ(slope(s, relu(x), x), (Elements{0, 0, 1}));
  EXPECT_EQ(slope(s, relu(x, 0.25), x), (Elements{0.25, 0.25, 1}));
  EXPECT_EQ(s.run(relu(x, 0.25)), (Elements{-0.25, 0, 2}));
}

TEST(Abs, DerivativeAtZeroIsZero) {
  Sandbox s;
  const Var x = s.value({3}, {-2, 0, 2});
  EXPECT_EQ(slope(s, abs(x), x), (Elements{-1, 0, 1}));
}

TEST(Sign, OfZeroIsZero) {
  Sandbox s;
  EXPECT_EQ(s.run(sign(s.value({3}, {-2, 0, 3}))), (Elements{-1, 0, 1}));
}

TEST(Expm1, KeepsItsDigitsNearZero) {
  Sandbox s;
  const double tiny = 1e-12;
  EXPECT_EQ(s.run(expm1(s.scalar(tiny)))[0], std::expm1(tiny));
}

TEST(Softplus, DoesNotOverflow) {
  Sandbox s;
  EXPECT_EQ(s.run(softplus(s.value({2}, {-1000, 1000}))), (Elements{0, 1000}));
}

TEST(Sigmoid, DoesNotOverflow) {
  Sandbox s;
  EXPECT_EQ(s.run(sigmoid(s.value({2}, {-1000, 1000}))), (Elements{0, 1}));
}

TEST(Pow, OfExponentsZeroAndOneIsExactEverywhere) {
  Sandbox s;
  const Var x = s.value({2}, {0, -3});
  EXPECT_EQ(s.run(pow(x, 0)), (Elements{1, 1}));
  EXPECT_EQ(pow(x, 1).id, x.id);
  EXPECT_EQ(slope(s, pow(x, 2), x), (Elements{0, -6}));
}

TEST(Affine, WithoutEffectRecordsNothing) {
  Sandbox s;
  const Var x = s.scalar(2);
  EXPECT_EQ(affine(x, 1, 0).id, x.id);
}

TEST(Cast, ToTheSameTypeRecordsNothing) {
  Sandbox s;
  const Var x = s.scalar(2);
  EXPECT_EQ(cast(x, DType::f64).id, x.id);
}

TEST(Cast, ThroughIntegersPassesNoCotangent) {
  Sandbox s;
  const Var x = s.scalar(2.5);
  EXPECT_EQ(slope(s, cast(cast(x, DType::i32), DType::f64), x), (Elements{0}));
}

TEST(ElementwiseUnary, RejectsIntegers) {
  Sandbox s;
  const Var label = s.zeros({2}, DType::i32);
  const std::string found = "operand types are i32 and i32, expected one of f32, f64 for all";
  expect_rejected(ErrorKind::dtype, "affine", found, [&] { affine(label, 2, 0); });
  expect_rejected(ErrorKind::dtype, "affine", found, [&] { 2.0 * label; });
  expect_rejected(ErrorKind::dtype, "exp", found, [&] { exp(label); });
  expect_rejected(ErrorKind::dtype, "expm1", found, [&] { expm1(label); });
  expect_rejected(ErrorKind::dtype, "log", found, [&] { log(label); });
  expect_rejected(ErrorKind::dtype, "sqrt", found, [&] { sqrt(label); });
  expect_rejected(ErrorKind::dtype, "rsqrt", found, [&] { rsqrt(label); });
  expect_rejected(ErrorKind::dtype, "reciprocal", found, [&] { reciprocal(label); });
  expect_rejected(ErrorKind::dtype, "square", found, [&] { square(label); });
  expect_rejected(ErrorKind::dtype, "pow", found, [&] { pow(label, 2); });
  expect_rejected(ErrorKind::dtype, "tanh", found, [&] { tanh(label); });
  expect_rejected(ErrorKind::dtype, "sigmoid", found, [&] { sigmoid(label); });
  expect_rejected(ErrorKind::dtype, "softplus", found, [&] { softplus(label); });
  expect_rejected(ErrorKind::dtype, "sin", found, [&] { sin(label); });
  expect_rejected(ErrorKind::dtype, "cos", found, [&] { cos(label); });
  expect_rejected(ErrorKind::dtype, "abs", found, [&] { abs(label); });
  expect_rejected(ErrorKind::dtype, "sign", found, [&] { sign(label); });
  expect_rejected(ErrorKind::dtype, "relu", found, [&] { relu(label); });
}

TEST(Fill, RejectsBytes) {
  Tape tape;
  expect_rejected(ErrorKind::dtype, "fill", "result is u8, expected f32, f64 or i32",
                  [&] { fill(tape, {2}, 1, DType::u8); });
}

TEST(Fill, OfFiveAxesAndIntegers) {
  Sandbox s;
  const Shape shape = Shape{1, 2, 1, 3, 2}.with_tasks(2);
  const Tensor filled = s.run_all({fill(s.tape, shape, 7, DType::i32)})[0];
  EXPECT_EQ(filled.shape(), shape);
  EXPECT_EQ(filled.values(), Elements(24, 7.0));
}

}  // namespace
}  // namespace metatape
