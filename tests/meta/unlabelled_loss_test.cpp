#include "meta/outer/unlabelled_loss.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "meta/training/episode_feed.h"
#include "meta/training/trainer.h"
#include "tests/meta/scalar_problem.h"
#include "tests/meta/small_workload.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

Method unlabelled(double momentum, std::int64_t steps) {
  Method m = gradient_method({.exact = false, .lr = ScalarProblem::kLr}, steps);
  m.query_loss =
      make_unlabelled_loss({.adaptation = m.adaptation, .steps = steps, .momentum = momentum});
  return m;
}

/// Of the quadratic a/2 (phi - c)^2, a = 2, c = 1: phi_k - c shrinks by 1 - lr a = 0.8 a step, and
/// the straight step from theta = 0.5 ends where three steps do, at 0.744.
TEST(UnlabelledLoss, ComparesTheLongStepWithTheStepsOfTheAverage) {
  ScalarProblem p;
  const Method m = unlabelled(0.9, 3);
  TaskBatch tasks = p.batch(m);
  tasks.average.add("phi", parameter_group::kBody, p.s.value({1}, {0.25}));
  const double teacher = 1 + (0.25 - 1) * 0.8 * 0.8 * 0.8, student = 0.744;
  const MetaStep step = record_meta_step(m, tasks);
  const double expected = (teacher - student) * (teacher - student) / 2;
  EXPECT_NEAR(p.s.run(step.outer_loss).at(0), expected, tolerance::kGolden);
  // d straight / d theta = 1: delta and g_0 are constants.
  EXPECT_NEAR(p.s.run(step.task_gradient["phi"]).at(0), student - teacher, tolerance::kGolden);
}

TEST(UnlabelledLoss, ReadsNoQueryLabel) {
  ScalarProblem p;
  const Method m = unlabelled(0.9, 2);
  TaskBatch tasks = p.batch(m);
  tasks.average = tasks.theta;
  const MetaStep before = record_meta_step(m, tasks);
  tasks.episode.query_y = p.s.value({1, 2}, {7, 11});
  const MetaStep after = record_meta_step(m, tasks);
  EXPECT_NE(p.s.run(before.loss), p.s.run(after.loss));
  EXPECT_EQ(p.s.run(before.outer_loss), p.s.run(after.outer_loss));
}

class Pretraining : public testing::Test {
 protected:
  Workload workload(std::int64_t until) {
    Workload w = sinusoid_workload(sinusoid_config());
    w.config.inner.order = "first";
    w.config.outer.unlabelled_until = until;
    return w;
  }
  TrainResult train_to(Workload w, const std::string& run, std::int64_t iterations,
                       bool resume = false) {
    w.config.train.iterations = iterations;
    RunFolder folder =
        resume ? RunFolder::open(folder_ / run) : RunFolder::create(folder_ / run, w.config, {});
    const TrainingPrograms programs =
        record_training_programs(w.config, w.model, w.training->layout(), {});
    return train(w, programs, initial_state(w), folder, {.resume = resume});
  }

  TemporaryFolder folder_;
};

TEST_F(Pretraining, ComesBeforeTheLabels) {
  const TrainResult plain = train_to(workload(0), "plain", 8);
  const TrainResult both = train_to(workload(4), "both", 8);
  const TrainResult only = train_to(workload(8), "only", 8);
  EXPECT_NE(both.state_hash, plain.state_hash);
  EXPECT_NE(both.state_hash, only.state_hash);
}

TEST_F(Pretraining, ResumesInEitherStretch) {
  const std::string expected = train_to(workload(6), "whole", 10).state_hash;
  for (const std::int64_t stop : {3, 6, 8}) {
    const std::string run = "until" + std::to_string(stop);
    train_to(workload(6), run, stop);
    EXPECT_EQ(train_to(workload(6), run, 10, true).state_hash, expected) << stop;
  }
}

TEST_F(Pretraining, TheAverageFollowsTheParameters) {
  const Workload w = workload(2);
  StateStore store = initial_state(w);
  const RecordedProgram step =
      record_training(settings_at(w.config, 0), w.model, w.training->layout(), Target{});
  begin_average(step.program, store);
  const std::string name = w.model.parameters.front().name;
  EXPECT_EQ(store.at(kAverageState + name).values(), store.at("theta/" + name).values());
  store.at(kAverageState + name).set_at(0, 10);
  const double theta = store.at("theta/" + name).at(0);
  const auto executor = make_executor(step.program, store);
  EpisodeFeed(step, *w.training, *executor).feed(0, 0, w.config.outer.tasks);
  executor->run();
  executor->commit();
  EXPECT_NEAR(store.at(kAverageState + name).at(0), 0.999 * 10 + 0.001 * theta,
              tolerance::kSingleValue);
}

}  // namespace
}  // namespace metatape
