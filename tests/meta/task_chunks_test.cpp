#include "meta/programs/task_chunks.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "meta/programs/training_programs.h"
#include "meta/training/trainer.h"
#include "tests/meta/small_workload.h"
#include "tests/support/compare.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

class Chunks : public testing::Test {
 protected:
  static Workload workload(std::int64_t chunk) {
    Workload w = sinusoid_workload(sinusoid_config());
    w.config.train.precision = "fp64";
    w.config.train.validate_every = 0;
    w.config.outer.tasks = 6;
    w.config.outer.chunk = chunk;
    w.config.outer.schedule = "cosine";
    w.config.outer.final_lr = 1e-3;
    return w;
  }
  static TrainingPrograms programs_of(const Workload& w) {
    return record_training_programs(w.config, w.model, w.training->layout(), {});
  }
  StateStore trained(const Workload& w, const std::string& run, bool resume = false) {
    RunFolder folder =
        resume ? RunFolder::open(folder_ / run) : RunFolder::create(folder_ / run, w.config, {});
    train(w, programs_of(w), initial_state(w), folder, {.resume = resume});
    return load_checkpoint(*folder.latest_checkpoint(), w.model.parameters).state;
  }
  std::string metrics(const std::string& run) const {
    return read_text(folder_ / run / "metrics.jsonl");
  }

  TemporaryFolder folder_;
};

TEST_F(Chunks, TrainAsAllTasksAtOnce) {
  const StateStore whole = trained(workload(0), "whole");
  for (const std::int64_t chunk : {1, 2, 3}) {
    const std::string run = "chunk" + std::to_string(chunk);
    const StateStore chunked = trained(workload(chunk), run);
    std::size_t compared = 0;
    for (const auto& [name, state] : whole) {
      ASSERT_TRUE(chunked.contains(name)) << name;
      expect_all_near(chunked.at(name).values(), state.values(), tolerance::kExactForms, name);
      ++compared;
    }
    EXPECT_GT(compared, 3 * workload(0).model.parameters.size());  // theta and Adam's moments
    const auto line = [&](const std::string& of) {
      return nlohmann::json::parse(metrics(of).substr(0, metrics(of).find('\n')));
    };
    EXPECT_NEAR(line(run).at("loss").get<double>(), line("whole").at("loss").get<double>(),
                tolerance::kExactForms);
    EXPECT_NE(line(run).at("loss"), 0);
  }
}

TEST_F(Chunks, ResumeBitForBit) {
  const StateStore whole = trained(workload(2), "whole");
  Workload first = workload(2);
  first.config.train.iterations = 7;
  Workload rest = workload(2);
  first.config.outer.schedule = rest.config.outer.schedule = "constant";
  const StateStore expected = trained(rest, "constant");
  trained(first, "stopped");
  EXPECT_EQ(state_digest(trained(rest, "stopped", true)), state_digest(expected));
  EXPECT_NE(state_digest(expected), state_digest(whole));
}

TEST_F(Chunks, TakeLessMemory) {
  const auto arena = [&](std::int64_t chunk) {
    return programs_of(workload(chunk)).stages.back().step.program.plan.arena_bytes;
  };
  EXPECT_LT(arena(1), arena(3));
  EXPECT_LT(arena(3), arena(0));
}

TEST(TaskChunks, AreRefusedWhereTheyMakeNoSense) {
  auto check = [](std::initializer_list<const char*> settings) {
    Config config;
    for (const char* setting : settings) set_config(config, setting);
    check_config(config);
  };
  EXPECT_NO_THROW(check({"outer.tasks=6", "outer.chunk=3"}));
  expect_error(ErrorKind::usage, "chunks of 4 do not make up 6 tasks", [&] {
    check({"outer.tasks=6", "outer.chunk=4"});
  });
  expect_error(ErrorKind::usage, "similarity needs the gradients of all tasks at once", [&] {
    check({"outer.tasks=6", "outer.chunk=3", "outer.combine=similarity"});
  });
}

}  // namespace
}  // namespace metatape
