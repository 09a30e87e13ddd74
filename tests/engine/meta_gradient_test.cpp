// The meta-gradient of whole unrolled runs: against differences, and against closed forms.

#include <gtest/gtest.h>

#include <random>

#include "engine/autodiff.h"
#include "engine/exec/cpu_executor.h"
#include "tests/support/compare.h"
#include "tests/support/maml_tape.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

/// Shifts every parameter along a random direction, runs, and shifts back.
class MetaLoss {
 public:
  explicit MetaLoss(const MamlOptions& o)
      : maml_(o),
        program_(compile(maml_.tape, {.fetch = maml_.fetches(), .target = {.threads = 2}})),
        executor_(program_, maml_.store),
        start_(maml_.store) {
    maml_.feed(executor_);
  }

  double directional_difference(std::uint64_t seed) {
    constexpr double kStep = 1e-5;
    const double above = at(seed, kStep), below = at(seed, -kStep);
    return (above - below) / (2 * kStep);
  }

  double directional_derivative(std::uint64_t seed) {
    at(seed, 0);
    std::mt19937_64 random(seed);
    double total = 0;
    for (std::size_t k = 0; k < maml_.theta.size(); ++k)
      for (double g : executor_.fetch(k + 1).values()) total += g * direction_(random);
    return total;
  }

 private:
  double at(std::uint64_t seed, double step) {
    std::mt19937_64 random(seed);
    direction_.reset();
    for (const auto& entry : maml_.theta.entries()) {
      const std::string name = "theta/" + entry.name;
      Tensor& theta = maml_.store.at(name);
      for (std::int64_t i = 0; i < theta.elements(); ++i)
        theta.set_at(i, start_.at(name).at(i) + step * direction_(random));
    }
    direction_.reset();
    executor_.run();
    return executor_.fetch(0).at(0);
  }

  MamlTape maml_;
  Program program_;
  CpuExecutor executor_;
  StateStore start_;
  std::normal_distribution<double> direction_;
};

void expect_exact(const MamlOptions& options) {
  MetaLoss loss(options);
  for (std::uint64_t seed : {1, 2, 3}) {
    const double expected[] = {loss.directional_difference(seed)};
    const double actual[] = {loss.directional_derivative(seed)};
    expect_all_near(actual, expected, tolerance::kMetaGradient, "along a random direction");
  }
}

TEST(MetaGradient, OfFiveStepsThroughFourBlocksEqualsDifferences) {
  expect_exact(
      {.steps = 5, .tasks = 3, .images = 4, .size = 16, .filters = 3, .blocks = 4, .lr = 0.05});
}

TEST(MetaGradient, OfRecomputedStepsEqualsDifferences) {
  expect_exact({.steps = 5, .tasks = 2, .recompute = true, .lr = 0.05});
}

TEST(MetaGradient, OfOneTaskAndOneStepEqualsDifferences) { expect_exact({.steps = 1, .tasks = 1}); }

/// Scalar task L^S = a (phi - c)^2 / 2, L^Q = b (phi - d)^2 / 2 with a = 2, c = 1, b = 3, d = -1,
/// theta = 0.5 and step size 0.1, for which the meta-gradients have closed forms.
double scalar_meta_gradient(int steps, bool first_order) {
  Sandbox s;
  const Var theta = s.scalar(0.5);
  Var phi = theta;
  for (int k = 0; k < steps; ++k) {
    Var gradient = grad(square(phi - 1.0), {&phi, 1})[0];
    if (first_order) gradient = stop_gradient(gradient);
    phi = phi - 0.1 * gradient;
  }
  return s.run(grad(1.5 * square(phi + 1.0), {&theta, 1})[0])[0];
}

void expect_golden(double actual, double expected) {
  expect_all_near({&actual, 1}, {&expected, 1}, tolerance::kGolden, "golden value");
}

TEST(MetaGradient, OfTheScalarTaskHasItsGoldenValue) {
  expect_golden(scalar_meta_gradient(1, false), 3.84);
  expect_golden(scalar_meta_gradient(3, false), 2.678784);
}

TEST(MetaGradient, OfFirstOrderMamlHasItsGoldenValue) {
  expect_golden(scalar_meta_gradient(1, true), 4.8);
  expect_golden(scalar_meta_gradient(3, true), 5.232);
}

TEST(MetaGradient, OfFirstOrderMamlDiffersAtTheSameLoss) {
  const MamlTape exact({.steps = 2}), first({.steps = 2, .first_order = true});
  auto run = [](const MamlTape& maml) {
    StateStore store = maml.store;
    const Program program = compile(maml.tape, {.fetch = maml.fetches()});
    CpuExecutor executor(program, store);
    maml.feed(executor);
    executor.run();
    return std::pair(executor.fetch(0), executor.fetch(1).values());
  };
  const auto [exact_loss, exact_gradient] = run(exact);
  const auto [first_loss, first_gradient] = run(first);
  EXPECT_EQ(exact_loss, first_loss);
  EXPECT_NE(exact_gradient, first_gradient);
}

}  // namespace
}  // namespace metatape
