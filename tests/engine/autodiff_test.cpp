#include "engine/autodiff.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/compare.h"
#include "tests/support/expect_error.h"
#include "tests/support/expect_rejected.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

Var grad_of(Var loss, Var x) { return grad(loss, {&x, 1})[0]; }

TEST(Grad, OfAValueThatTheLossDoesNotNeedIsZero) {
  Sandbox s;
  const Var x = s.value({2}, {1, 2}), unused = s.value({3}, {1, 2, 3});
  const Var loss = sum(square(x));
  const Var later = exp(x);
  EXPECT_EQ(s.run(grad_of(loss, unused)), (Elements{0, 0, 0}));
  EXPECT_EQ(s.run(grad_of(loss, later)), (Elements{0, 0}));
}

TEST(Grad, OfAValueByItselfIsOne) {
  Sandbox s;
  const Var x = s.scalar(3);
  EXPECT_EQ(s.run(grad_of(x, x)), (Elements{1}));
}

TEST(Grad, AddsTheUsesOfAValue) {
  Sandbox s;
  const Var x = s.scalar(3);
  EXPECT_EQ(s.run(grad_of(x * x + 5.0 * x + x * x * x, x)), (Elements{2 * 3 + 5 + 27}));
}

TEST(Grad, SumsALossOfSeveralElements) {
  Sandbox s;
  const Var x = s.value({3}, {1, 2, 3});
  EXPECT_EQ(s.run(grad_of(square(x), x)), (Elements{2, 4, 6}));
}

TEST(Grad, OfSharedParametersSumsOverTasks) {
  Sandbox s;
  const Var w = s.value({2}, {1, 2});
  const Var x = s.value(Shape{2}.with_tasks(3), {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(s.run(grad_of(sum(w * x), w)), (Elements{9, 12}));
}

TEST(Grad, OfEachTasksParametersIsThatTasksGradient) {
  Sandbox s;
  const Shape shape = Shape{2}.with_tasks(2);
  const Var w = s.value(shape, {1, 2, 3, 4}), x = s.value(shape, {5, 6, 7, 8});
  EXPECT_EQ(s.run(grad_of(sum(w * x), w)), (Elements{5, 6, 7, 8}));
}

TEST(Grad, StopsAtStopGradient) {
  Sandbox s;
  const Var x = s.scalar(3);
  EXPECT_EQ(s.run(grad_of(stop_gradient(square(x)) * x, x)), (Elements{9}));
  EXPECT_EQ(s.run(grad_of(grad_of(stop_gradient(square(x)) * x, x), x)), (Elements{0}));
}

TEST(Grad, RefusesIntegers) {
  Sandbox s;
  const Var x = s.scalar(3), label = s.zeros({2}, DType::i32);
  expect_error(ErrorKind::usage, "the loss has type i32; only f32 and f64 have derivatives",
               [&] { grad_of(label, x); });
  expect_error(ErrorKind::usage, "a value to differentiate by has type i32",
               [&] { grad_of(x, label); });
}

TEST(Grad, RefusesValuesOfAnotherTape) {
  Sandbox s, other;
  const Var x = s.scalar(3), foreign = other.scalar(3);
  expect_error(ErrorKind::usage, "a value to differentiate by is of another tape",
               [&] { grad_of(square(x), foreign); });
}

TEST(Grad, OfThirdOrderHasItsClosedForm) {
  struct Case {
    Var (*f)(Var);
    double (*third)(double);
  };
  const Case cases[] = {
      {[](Var x) { return sin(x); }, [](double x) { return -std::cos(x); }},
      {[](Var x) { return exp(2.0 * x); }, [](double x) { return 8 * std::exp(2 * x); }},
      {[](Var x) { return pow(x, 5); }, [](double x) { return 60 * x * x; }},
      {[](Var x) { return log(x); }, [](double x) { return 2 / (x * x * x); }},
      {[](Var x) { return x * x * x * x; }, [](double x) { return 24 * x; }},
      {[](Var x) { return reciprocal(x); }, [](double x) { return -6 / (x * x * x * x); }},
      {[](Var x) { return tanh(x); },
       [](double x) {
         const double y = std::tanh(x);
         return (6 * y * y - 2) * (1 - y * y);
       }},
  };
  for (const Case& c : cases) {
    Sandbox s;
    const Elements at{0.3, 0.7, 1.9};
    const Var x = s.value({3}, at);
    Elements expected;
    for (double value : at) expected.push_back(c.third(value));
    const Var third = grad_of(grad_of(grad_of(c.f(x), x), x), x);
    expect_all_near(s.run(third), expected, tolerance::kExactForms, "third derivative");
  }
}

TEST(Hvp, OfAQuadraticFormIsItsMatrixInBothForms) {
  Sandbox s;
  const Var a = s.value({2, 2}, {2, 1, 3, 5}), x = s.value({2, 1}, {7, -1});
  const Var v = s.value({2, 1}, {1, 2});
  const Var loss = dot(x, matmul(a, x));
  for (HvpForm form : {HvpForm::reverse_over_reverse, HvpForm::forward_over_reverse}) {
    const Var hv = hvp(loss, {&x, 1}, {&v, 1}, form)[0];
    EXPECT_EQ(s.run(hv), (Elements{12, 24})) << "(A + A') v";
  }
}

TEST(Hvp, MixesTheBlocksOfSeveralValues) {
  Sandbox s;
  const Var x = s.scalar(2), y = s.scalar(3);
  const Var wrt[] = {x, y}, v[] = {s.scalar(1), s.scalar(10)};
  const auto hv = hvp(square(x) * y, wrt, v);
  EXPECT_EQ(s.run(hv[0]), (Elements{2 * 3 * 1 + 2 * 2 * 10}));
  EXPECT_EQ(s.run(hv[1]), (Elements{2 * 2 * 1}));
}

TEST(Vjp, WeighsEveryOutput) {
  Sandbox s;
  const Var x = s.scalar(2);
  const Var outputs[] = {square(x), 3.0 * x, square(x)};
  const Var cotangents[] = {s.scalar(10), s.scalar(100), s.scalar(1)};
  EXPECT_EQ(s.run(vjp(outputs, cotangents, {&x, 1})[0]), (Elements{4 * 10 + 3 * 100 + 4}));
}

TEST(Vjp, RefusesCotangentsThatDoNotFit) {
  Sandbox s;
  const Var x = s.value({2}, {1, 2}), one = s.scalar(1);
  const std::vector<Var> outputs{square(x)}, wrt{x};
  expect_rejected(ErrorKind::usage, "vjp", "1 outputs with 0 cotangents",
                  [&] { vjp(outputs, {}, wrt); });
  expect_rejected(ErrorKind::usage, "vjp", "0 outputs with 0 cotangents",
                  [&] { vjp({}, {}, wrt); });
  expect_rejected(ErrorKind::shape, "vjp", "cotangent [] for an output [2]", [&] {
    vjp(outputs, {&one, 1}, wrt);
  });
}

TEST(Vjp, RecordsUnderTheScopeOfWhatItDifferentiates) {
  Sandbox s;
  const Var x = s.scalar(2);
  auto scope_of = [&](Var v) { return s.tape.scope_name(s.tape.at(v.id).scope); };
  Var y;
  {
    const Scope scope(s.tape, "inner/1");
    y = exp(x) * x;
    EXPECT_EQ(scope_of(grad_of(y, x)), "inner/1");
  }
  EXPECT_EQ(scope_of(grad_of(y, x)), "inner/1");
  const Scope scope(s.tape, "outer");
  const Var slope = grad_of(y, x);
  EXPECT_EQ(scope_of(slope), "outer/inner/1");
  EXPECT_EQ(scope_of(grad_of(slope, x)), "outer/inner/1");
  EXPECT_EQ(scope_of(exp(x)), "outer");
}

TEST(Jvp, IsTheDirectionalDerivativeOfEveryOutput) {
  Sandbox s;
  const Var x = s.scalar(2), y = s.scalar(3);
  const Var wrt[] = {x, y}, outputs[] = {x * y, square(x), y + 1.0};
  const Var tangents[] = {s.scalar(10), s.scalar(1)};
  const auto dots = jvp(outputs, wrt, tangents);
  EXPECT_EQ(s.run(dots[0]), (Elements{32}));
  EXPECT_EQ(s.run(dots[1]), (Elements{40}));
  EXPECT_EQ(s.run(dots[2]), (Elements{1}));
}

TEST(Jvp, LeavesNoSeedInTheProgram) {
  Sandbox s;
  const Var x = s.value({3}, {1, 2, 3}), tangent = s.value({3}, {1, 0, 1});
  const Var y = log_softmax(sin(x) * x);
  const Program program = compile(s.tape, {.fetch = jvp({&y, 1}, {&x, 1}, {&tangent, 1})});
  for (const Node& node : program.graph.nodes) EXPECT_NE(node.op, OpId::tangent_seed);
}

TEST(Jvp, SeedsHaveNoValue) {
  Sandbox s;
  const Var seed = tangent_seed(s.tape, {2}, DType::f64);
  expect_error(ErrorKind::usage, "fetch what jvp returned", [&] { s.run(2.0 * seed); });
}

TEST(Jvp, RefusesTangentsThatDoNotFit) {
  Sandbox s;
  const Var x = s.value({2}, {1, 2}), one = s.scalar(1), y = square(x);
  expect_rejected(ErrorKind::usage, "jvp", "1 values with 0 tangents", [&] {
    jvp({&y, 1}, {&x, 1}, {});
  });
  expect_rejected(ErrorKind::shape, "vjp", "cotangent [] for an output [2]", [&] {
    jvp({&y, 1}, {&x, 1}, {&one, 1});
  });
}

}  // namespace
}  // namespace metatape
