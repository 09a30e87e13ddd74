#include "meta/outer/outer_rule.h"
#include "meta/training/episode_feed.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/optim/optimizer.h"
#include "meta/settings/config.h"
#include "tests/meta/small_workload.h"
#include "tests/support/compare.h"
#include "tests/support/expect_error.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

Values clipped_values(const ClipOptions& o) {
  Sandbox s;
  ParamSet g;
  g.add("a", "body", s.value({2}, {3, -0.5}));
  g.add("b", "head", s.value({1}, {-4}));
  Values all;
  for (const Tensor& t : s.run_all(clipped(g, o).values()))
    for (const double v : t.values()) all.push_back(v);
  return all;
}

TEST(OuterRule, WithoutBoundsKeepsTheGradient) {
  EXPECT_EQ(clipped_values({}), (Values{3, -0.5, -4}));
}

TEST(OuterRule, ClipsElements) {
  EXPECT_EQ(clipped_values({.element = 1.5}), (Values{1.5, -0.5, -1.5}));
  EXPECT_EQ(clipped_values({.element = 10}), (Values{3, -0.5, -4}));
}

TEST(OuterRule, ClipsTheNormOverAllParameters) {
  const double scale = 2 / std::sqrt(9 + 0.25 + 16);
  expect_all_near(clipped_values({.norm = 2}), Values{3 * scale, -0.5 * scale, -4 * scale},
                  tolerance::kExactForms, "clipped");
  expect_all_near(clipped_values({.norm = 10}), Values{3, -0.5, -4}, tolerance::kExactForms,
                  "inside");
}

TEST(OuterRule, ClipsElementsBeforeTheNorm) {
  const double scale = 1 / std::sqrt(1.0 + 0.25 + 1);
  expect_all_near(clipped_values({.element = 1, .norm = 1}), Values{scale, -0.5 * scale, -scale},
                  tolerance::kExactForms, "clipped");
}

TEST(OuterRule, NormalizedStepsEqualAPlainLoop) {
  constexpr double kRho = 0.9, kRate = 0.125;
  constexpr int kSteps = 20;
  const Values target{0.25, 1, -3};
  Sandbox s;
  ParamSet theta;
  theta.add("a", "body", s.tape.state("theta/a", {2}, DType::f64));
  theta.add("b", "head", s.tape.state("theta/b", {1}, DType::f64));
  s.store["theta/a"] = Tensor::of<double>({2}, DType::f64, Values{1, -2});
  s.store["theta/b"] = Tensor::of<double>({1}, DType::f64, Values{0.5});
  s.store[kLearningRateState] = Tensor::of<double>({}, DType::f64, Values{kRate});
  const ParamSet away =
      theta - theta.with_values(std::vector<Var>{s.value({2}, {target[0], target[1]}),
                                                 s.value({1}, {target[2]})});
  const auto optimizer = make_normalized_sgd({.momentum = kRho});
  const Program program = compile(s.tape, {.update = optimizer->step(theta, 2.0 * away)});
  CpuExecutor executor(program, s.store);
  Values w{1, -2, 0.5}, m(3);
  for (int step = 0; step < kSteps; ++step) {
    executor.run();
    executor.commit();
    double square = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      m[i] = kRho * m[i] + (1 - kRho) * 2 * (w[i] - target[i]);
      square += m[i] * m[i];
    }
    for (std::size_t i = 0; i < 3; ++i) w[i] -= kRate * m[i] / (std::sqrt(square) + 1e-8);
  }
  expect_all_near(s.store.at("theta/a").values(), Values{w[0], w[1]}, tolerance::kOptimizerLoop,
                  "a");
  expect_all_near(s.store.at("theta/b").values(), Values{w[2]}, tolerance::kOptimizerLoop, "b");
}

TEST(OuterRule, OfAZeroGradientStaysWhereItIs) {
  Sandbox s;
  ParamSet theta, zero;
  theta.add("a", "body", s.tape.state("theta/a", {1}, DType::f64));
  s.store["theta/a"] = Tensor::of<double>({1}, DType::f64, Values{1.5});
  s.store[kLearningRateState] = Tensor::of<double>({}, DType::f64, Values{0.1});
  zero.add("a", "body", s.zeros({1}));
  const Program program = compile(s.tape, {.update = make_normalized_sgd()->step(theta, zero)});
  CpuExecutor executor(program, s.store);
  executor.run();
  executor.commit();
  EXPECT_EQ(s.store.at("theta/a").values(), Values{1.5});
}

/// How far one meta-step moves the parameters, over all of them.
double length_of_step(std::initializer_list<const char*> settings) {
  Workload w = sinusoid_workload(sinusoid_config());
  set_config(w.config, "train.precision=fp64");
  for (const char* setting : settings) set_config(w.config, setting);
  check_config(w.config);
  StateStore store = initial_state(w);
  const StateStore before = store;
  store[kLearningRateState] = Tensor::of<double>({}, DType::f64, Values{w.config.outer.lr});
  const RecordedProgram step = record_training(w.config, w.model, w.training->layout(), Target{});
  CpuExecutor executor(step.program, store);
  EpisodeFeed(step, *w.training, executor).feed(0, 0, w.config.outer.tasks);
  executor.run();
  executor.commit();
  double square = 0;
  for (const auto& [name, start] : before) {
    const Values from = start.values(), to = store.at(name).values();
    for (std::size_t i = 0; i < from.size(); ++i) square += (to[i] - from[i]) * (to[i] - from[i]);
  }
  return std::sqrt(square);
}

TEST(OuterRule, StandsBetweenCombinationAndOptimizer) {
  const double free = length_of_step({"outer.optimizer=sgd", "outer.lr=1"});
  ASSERT_GT(free, 0.01);
  expect_all_near(
      Values{length_of_step({"outer.optimizer=sgd", "outer.lr=1", "outer.clip_norm=0.01"})},
      Values{0.01}, tolerance::kExactForms, "clip_norm");
  EXPECT_LT(length_of_step({"outer.optimizer=sgd", "outer.lr=1", "outer.clip=0.001"}), free);
  expect_all_near(Values{length_of_step({"outer.optimizer=normalized_sgd", "outer.lr=0.25"})},
                  Values{0.25}, tolerance::kGradient, "normalised");
}

TEST(OuterRule, RefusesAMomentumThatIgnoresNewGradients) {
  Config config;
  set_config(config, "outer.optimizer=normalized_sgd");
  set_config(config, "outer.momentum=0.9");
  EXPECT_NO_THROW(check_config(config));
  set_config(config, "outer.momentum=1");
  expect_error(ErrorKind::usage, "use a value below 1", [&] { check_config(config); });
}

}  // namespace
}  // namespace metatape
