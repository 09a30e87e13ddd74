// Optimisers against the same formulas in a plain double loop, on a loss whose gradient is
// curvature * (theta - target).

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/exec/cpu_executor.h"
#include "engine/optim/optimizer.h"
#include "tests/support/compare.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

constexpr int kSteps = 20;
constexpr double kLearningRate = 0.125;

using Elements = std::vector<double>;

const Elements kStart{1, -2, 0.5}, kTarget{0.25, 1, -3}, kCurvature{1, 0.5, 2};

double gradient_at(std::size_t i, double theta) { return kCurvature[i] * (theta - kTarget[i]); }

Elements run_on_tape(const Optimizer& optimizer, DType dtype, StateStore* store) {
  Sandbox s;
  ParamSet theta;
  theta.add("w", "body", s.tape.state("theta/w", {3}, dtype));
  *store = {{"theta/w", Tensor::of<double>({3}, dtype, kStart)},
            {kLearningRateState, Tensor::of<double>({}, dtype, Elements{kLearningRate})}};
  s.store = *store;
  const Var distance = theta["w"] - s.value({3}, kTarget, dtype);
  const Var loss = sum(0.5 * (s.value({3}, kCurvature, dtype) * square(distance)));
  const Program program = compile(s.tape, {.update = optimizer.step(theta, grad(loss, theta))});
  CpuExecutor executor(program, s.store);
  for (int step = 0; step < kSteps; ++step) {
    executor.run();
    executor.commit();
  }
  *store = s.store;
  return s.store.at("theta/w").values();
}

void expect_loop(const Optimizer& optimizer, const Elements& expected) {
  StateStore store;
  expect_all_near(run_on_tape(optimizer, DType::f64, &store), expected, tolerance::kOptimizerLoop,
                  "f64");
  expect_all_near(run_on_tape(optimizer, DType::f32, &store), expected,
                  tolerance::kSingleOptimizerLoop, "f32");
}

Elements sgd_loop(double momentum) {
  Elements theta = kStart;
  for (std::size_t i = 0; i < theta.size(); ++i) {
    double velocity = 0;
    for (int step = 0; step < kSteps; ++step) {
      velocity = momentum * velocity + gradient_at(i, theta[i]);
      theta[i] -= kLearningRate * velocity;
    }
  }
  return theta;
}

Elements adam_loop(const AdamOptions& o) {
  Elements theta = kStart;
  for (std::size_t i = 0; i < theta.size(); ++i) {
    double m = 0, v = 0;
    for (int t = 1; t <= kSteps; ++t) {
      const double g = gradient_at(i, theta[i]);
      m = o.beta1 * m + (1 - o.beta1) * g;
      v = o.beta2 * v + (1 - o.beta2) * g * g;
      theta[i] -= kLearningRate * (m / (1 - std::pow(o.beta1, t))) /
                  (std::sqrt(v / (1 - std::pow(o.beta2, t))) + o.epsilon);
    }
  }
  return theta;
}

TEST(Sgd, FollowsItsFormula) { expect_loop(*make_sgd(), sgd_loop(0)); }

TEST(Sgd, WithMomentumFollowsItsFormula) {
  expect_loop(*make_sgd({.momentum = 0.9}), sgd_loop(0.9));
}

TEST(Adam, FollowsItsFormula) { expect_loop(*make_adam(), adam_loop({})); }

TEST(Adam, WithOtherConstantsFollowsItsFormula) {
  const AdamOptions o{.beta1 = 0.5, .beta2 = 0.9, .epsilon = 1e-2};
  expect_loop(*make_adam(o), adam_loop(o));
}

TEST(Adam, KeepsMomentsAndStepCountAsStates) {
  StateStore store;
  run_on_tape(*make_adam(), DType::f64, &store);
  EXPECT_EQ(store.at("optimizer/step").at(0), kSteps);
  EXPECT_EQ(store.at("optimizer/m/w").shape(), Shape{3});
  EXPECT_EQ(store.at("optimizer/v/w").shape(), Shape{3});
}

TEST(Adam, WithAGradientOfZeroStaysWhereItIs) {
  Sandbox s;
  ParamSet theta, zero;
  theta.add("w", "body", s.value({2}, {1, 2}));
  zero.add("w", "body", fill(s.tape, {2}, 0, DType::f64));
  s.store[kLearningRateState] = Tensor::of<double>({}, DType::f64, Elements{kLearningRate});
  const Program program = compile(s.tape, {.update = make_adam()->step(theta, zero)});
  CpuExecutor executor(program, s.store);
  executor.run();
  executor.commit();
  EXPECT_EQ(s.store.at("value/0").values(), (Elements{1, 2}));
}

}  // namespace
}  // namespace metatape
