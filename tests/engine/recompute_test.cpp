#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "engine/exec/cpu_executor.h"
#include "tests/support/compare.h"
#include "tests/support/maml_tape.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

std::vector<Tensor> results_of(const MamlOptions& options) {
  MamlTape maml(options);
  const Program program = compile(maml.tape, {.fetch = maml.fetches()});
  CpuExecutor executor(program, maml.store);
  maml.feed(executor);
  executor.run();
  std::vector<Tensor> results;
  for (std::size_t k = 0; k < maml.fetches().size(); ++k) results.push_back(executor.fetch(k));
  return results;
}

Plan plan_of(int steps, bool recompute) {
  const MamlTape maml({.steps = steps, .recompute = recompute});
  return compile(maml.tape, {.fetch = maml.fetches()}).plan;
}

/// What one inner step must keep for the sweep: the parameters of every task.
std::size_t adapted_bytes() {
  const MamlTape maml({.steps = 1});
  std::size_t total = 0;
  for (Var v : maml.theta.values()) {
    const std::size_t bytes =
        ValueType{v.shape().with_tasks(maml.options.tasks), v.dtype()}.bytes();
    total += (bytes + Plan::kAlignment - 1) / Plan::kAlignment * Plan::kAlignment;
  }
  return total;
}

TEST(Recompute, GivesTheBitsOfKeepingEverything) {
  const auto kept = results_of({.steps = 3}), again = results_of({.steps = 3, .recompute = true});
  ASSERT_EQ(kept.size(), again.size());
  for (std::size_t k = 0; k < kept.size(); ++k) {
    for (double value : kept[k].values()) ASSERT_TRUE(std::isfinite(value));
    EXPECT_EQ(kept[k], again[k]) << "result " << k;
  }
}

TEST(Recompute, KeepsOnlyTheParametersOfEachStep) {
  const auto alive_at_once = [](int steps) { return plan_of(steps, true).live_bound_bytes; };
  const std::size_t at5 = alive_at_once(5), at10 = alive_at_once(10), at20 = alive_at_once(20);
  EXPECT_LE(at10 - at5, 5 * adapted_bytes());
  EXPECT_LE(at20 - at10, 10 * adapted_bytes());
}

TEST(Recompute, NeedsLessMemoryThanKeepingActivations) {
  const std::size_t kept = plan_of(20, false).arena_bytes, again = plan_of(20, true).arena_bytes;
  EXPECT_LT(5 * again, 2 * kept) << kept << " bytes kept, " << again << " recomputed";
}

TEST(Recompute, RecordsASegmentOncePerSweep) {
  Sandbox s;
  const Var x = s.scalar(0.3);
  Var y;
  {
    const RecomputeSegment segment(s.tape);
    y = sin(exp(x));
  }
  const Var loss = square(y);
  const int before = s.tape.size();
  const Var slope = grad(loss, {&x, 1})[0];
  int copies = 0;
  for (int id = before; id < s.tape.size(); ++id) copies += s.tape.at(id).generation == 1;
  EXPECT_EQ(copies, 2);
  const double inner = std::exp(0.3);
  const double expected[] = {2 * std::sin(inner) * std::cos(inner) * inner};
  expect_all_near(s.run(slope), expected, tolerance::kExactForms, "slope");
}

TEST(Recompute, ASweepEndsAtWhatItDifferentiatesBy) {
  Sandbox s;
  const Var x = s.scalar(0.3);
  Var y;
  {
    const RecomputeSegment segment(s.tape);
    y = sin(exp(x));
  }
  const Var slope = grad(square(y), {&y, 1})[0];
  for (int id = 0; id < s.tape.size(); ++id) EXPECT_EQ(s.tape.at(id).generation, 0);
  const double expected[] = {2 * std::sin(std::exp(0.3))};
  expect_all_near(s.run(slope), expected, tolerance::kExactForms, "slope");
}

TEST(Recompute, ASweepInsideTheSegmentReadsTheOriginals) {
  Sandbox s;
  const Var x = s.scalar(0.3);
  const RecomputeSegment segment(s.tape);
  const Var y = sin(exp(x));
  grad(y, {&x, 1});
  for (int id = 0; id < s.tape.size(); ++id) EXPECT_EQ(s.tape.at(id).generation, 0);
}

TEST(Recompute, KeepsSecondDerivatives) {
  auto second = [](bool recompute) {
    Sandbox s;
    const Var x = s.value({2}, {0.3, 1.1}), v = s.value({2}, {1, -2});
    Var y = x;
    for (int k = 0; k < 3; ++k) {
      std::optional<RecomputeSegment> segment;
      if (recompute) segment.emplace(s.tape);
      y = sin(y) * exp(0.5 * y);
    }
    return s.run(hvp(sum(y), {&x, 1}, {&v, 1})[0]);
  };
  expect_all_near(second(true), second(false), tolerance::kExactForms, "H v");
}

TEST(Recompute, SlotsAndEarlierValuesAreReadAsTheyAre) {
  Sandbox s;
  const Var x = s.scalar(2), before = square(x);
  Var y, declared_inside;
  {
    const RecomputeSegment segment(s.tape);
    declared_inside = s.scalar(5);
    y = before * declared_inside;
  }
  EXPECT_EQ(s.tape.at(declared_inside.id).segment, -1);
  const Var wrt[] = {x, declared_inside};
  const auto slopes = grad(square(y), wrt);
  EXPECT_EQ(s.run(slopes[0])[0], 2 * 20 * 4 * 5);
  EXPECT_EQ(s.run(slopes[1])[0], 2 * 20 * 4);
}

}  // namespace
}  // namespace metatape
