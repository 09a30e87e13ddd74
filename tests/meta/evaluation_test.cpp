#include "meta/training/evaluation.h"
#include "engine/exec/cpu_executor.h"
#include "meta/training/episode_feed.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/meta/small_workload.h"
#include "tests/support/compare.h"
#include "tests/support/expect_error.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

TEST(Interval, IsMeanAndStandardErrorTimesTheNormalQuantile) {
  // Mean 5, sum of squared distances 32, deviation sqrt(32 / 7), standard error sqrt(32 / 7 / 8).
  const Interval i = interval95({2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_DOUBLE_EQ(i.mean, 5);
  EXPECT_DOUBLE_EQ(i.ci95, 1.96 * std::sqrt(32.0 / 7 / 8));
}

TEST(Interval, OfEqualOrSingleValuesHasNoWidth) {
  EXPECT_EQ(interval95({0.75, 0.75, 0.75}).ci95, 0);
  EXPECT_EQ(interval95({0.75}).mean, 0.75);
  EXPECT_EQ(interval95({0.75}).ci95, 0);
}

Evaluation evaluate_in_chunks(Workload w, std::int64_t at_once, std::int64_t tasks,
                              int threads = 1) {
  w.config.outer.tasks = at_once;
  StateStore store = initial_state(w);
  return evaluate(w.config, w.model, *w.training, store, tasks, {.threads = threads});
}

void expect_same(const Evaluation& a, const Evaluation& b) {
  EXPECT_EQ(a.tasks, b.tasks);
  EXPECT_EQ(a.loss.mean, b.loss.mean);
  EXPECT_EQ(a.loss.ci95, b.loss.ci95);
  EXPECT_EQ(a.score.mean, b.score.mean);
  EXPECT_EQ(a.loss_by_step, b.loss_by_step);
  EXPECT_EQ(a.score_by_step, b.score_by_step);
  EXPECT_EQ(a.episodes_hash, b.episodes_hash);
}

TEST(Evaluation, DoesNotDependOnHowTasksAreCut) {
  for (const Workload& w : {sinusoid_workload(sinusoid_config()), image_workload()}) {
    const Evaluation whole = evaluate_in_chunks(w, 7, 7);
    ASSERT_TRUE(std::isfinite(whole.loss.mean) && whole.loss.mean > 0 && whole.loss.ci95 > 0);
    for (std::int64_t at_once : {1, 2, 3, 100}) {
      SCOPED_TRACE(at_once);
      expect_same(evaluate_in_chunks(w, at_once, 7), whole);
    }
    expect_same(evaluate_in_chunks(w, 3, 7, 2), whole);
  }
}

/// The loss of one task after the last step, run on its own.
double loss_of_task(const Workload& w, std::uint32_t task) {
  const RecordedProgram recorded =
      record_evaluation(w.config, w.model, w.training->layout(), 1, {});
  StateStore store = initial_state(w);
  CpuExecutor executor(recorded.program, store);
  EpisodeBatch batch;
  w.training->draw(0, task, 1, batch);
  feed_episodes(executor, batch);
  executor.run();
  return executor.fetch(std::size_t(w.config.inner.test_steps)).at(0);
}

TEST(Evaluation, IsTheIntervalOverTasksWithoutTheSurplus) {
  const Workload w = sinusoid_workload(sinusoid_config());
  std::vector<double> losses;
  for (std::uint32_t task = 0; task < 7; ++task) losses.push_back(loss_of_task(w, task));
  const Evaluation e = evaluate_in_chunks(w, 4, 7);  // chunks of 4 and 3 + 1 surplus
  EXPECT_EQ(e.loss.mean, interval95(losses).mean);
  EXPECT_EQ(e.loss.ci95, interval95(losses).ci95);
}

TEST(Evaluation, GivesOnePointPerStep) {
  Workload w = sinusoid_workload(sinusoid_config());
  const Evaluation e = evaluate_in_chunks(w, 3, 7);
  EXPECT_EQ(e.kind, TaskKind::regression);
  ASSERT_EQ(e.loss_by_step.size(), 4u);
  EXPECT_EQ(e.loss_by_step.back(), e.loss.mean);
  EXPECT_LT(e.loss_by_step.back(), e.loss_by_step.front());
  w.config.inner.test_steps = 0;
  const Evaluation before = evaluate_in_chunks(w, 3, 7);
  ASSERT_EQ(before.loss_by_step.size(), 1u);
  EXPECT_EQ(before.loss.mean, e.loss_by_step.front());
}

TEST(Evaluation, TellsItsTasksApart) {
  const Workload w = sinusoid_workload(sinusoid_config());
  EXPECT_NE(evaluate_in_chunks(w, 3, 6).episodes_hash, evaluate_in_chunks(w, 3, 7).episodes_hash);
  EXPECT_EQ(evaluate_in_chunks(w, 3, 7).episodes_hash, episodes_digest(*w.training, 7));
}

TEST(Evaluation, LeavesTheStateAlone) {
  const Workload w = sinusoid_workload(sinusoid_config());
  StateStore store = initial_state(w);
  const std::string before = state_digest(store);
  evaluate(w.config, w.model, *w.training, store, 5, {});
  EXPECT_EQ(state_digest(store), before);
}

TEST(Evaluation, NamesTheFirstResultThatIsNotFinite) {
  Workload w = sinusoid_workload(sinusoid_config());
  StateStore store = initial_state(w);
  store.at("theta/layer2.bias").set_at(0, std::numeric_limits<double>::quiet_NaN());
  expect_error(ErrorKind::numerical,
               "the loss of task 0 after adaptation is nan; first not finite: %",
               [&] { evaluate(w.config, w.model, *w.training, store, 5, {}); });
}

TEST(Evaluation, RefusesMoreMemoryThanAllowed) {
  Workload w = image_workload();
  w.config.train.max_memory = 1;
  w.config.outer.tasks = 200;
  StateStore store = initial_state(w);
  expect_error(ErrorKind::memory, "train.max_memory is 1 MiB; use outer.chunk=", [&] {
    evaluate(w.config, w.model, *w.training, store, 200, {});
  });
}

TEST(Evaluation, WritesPercentForClassification) {
  const Workload w = image_workload();
  const Evaluation e = evaluate_in_chunks(w, 4, 9);
  const nlohmann::json j = to_json(e, w.config, "test");
  EXPECT_EQ(j.at("accuracy"), 100 * e.score.mean);
  EXPECT_EQ(j.at("ci95"), 100 * e.score.ci95);
  EXPECT_GT(e.score.mean, 0);
  EXPECT_LT(e.score.mean, 1);
  EXPECT_EQ(j.at("ways"), 3);
  EXPECT_EQ(j.at("shots"), 1);
  EXPECT_EQ(j.at("queries"), 2);
  EXPECT_EQ(j.at("tasks"), 9);
  EXPECT_EQ(j.at("split"), "test");
  EXPECT_EQ(j.at("protocol"), "transductive");
  EXPECT_EQ(j.at("episodes_hash"), e.episodes_hash);
  EXPECT_EQ(j.at("accuracy_by_step").size(), 4u);
}

TEST(Evaluation, WritesErrorsForRegression) {
  const Workload w = sinusoid_workload(sinusoid_config());
  const nlohmann::json j = to_json(evaluate_in_chunks(w, 4, 9), w.config, "test");
  EXPECT_FALSE(j.contains("accuracy"));
  EXPECT_GT(j.at("loss").get<double>(), 0);
  EXPECT_GT(j.at("loss_ci95").get<double>(), 0);
  EXPECT_EQ(j.at("protocol"), "regression");
}

}  // namespace
}  // namespace metatape
