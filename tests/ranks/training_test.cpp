// Training and evaluation dealt to several ranks, as threads of one process.

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "meta/method/compose.h"
#include "meta/programs/fit_to_memory.h"
#include "meta/programs/ranks_cost.h"
#include "meta/programs/task_chunks.h"
#include "meta/training/evaluation.h"
#include "meta/training/trainer.h"
#include "tests/meta/small_workload.h"
#include "tests/support/compare.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thread_ranks.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

/// Iteration 4 has an infinite input in task 4.
class Spoilt final : public EpisodeSource {
 public:
  explicit Spoilt(std::shared_ptr<const EpisodeSource> inner) : inner_(std::move(inner)) {}

  const EpisodeLayout& layout() const override { return inner_->layout(); }
  const std::string& name() const override { return inner_->name(); }
  void draw(std::uint32_t iteration, std::uint32_t first, std::uint32_t tasks,
            EpisodeBatch& batch) const override {
    inner_->draw(iteration, first, tasks, batch);
    if (iteration == 4 && first == 4) batch.support_x[0] = std::numeric_limits<float>::infinity();
  }
  std::vector<std::uint32_t> provenance(std::uint32_t i, std::uint32_t t) const override {
    return inner_->provenance(i, t);
  }

 private:
  std::shared_ptr<const EpisodeSource> inner_;
};

class TrainingOnRanks : public testing::Test {
 protected:
  static Workload workload(std::int64_t chunk, const std::string& combine = "mean") {
    Workload w = sinusoid_workload(sinusoid_config());
    w.config.train.precision = "fp64";
    w.config.outer.tasks = 8;
    w.config.outer.chunk = chunk;
    w.config.outer.combine = combine;
    w.config.outer.clip_norm = 0.5;
    return w;
  }

  /// The states that training leaves, the same on all ranks.
  StateStore trained(const Workload& w, int ranks, const std::string& run) {
    RunFolder::create(folder_ / run, w.config, {});
    return continued(w, ranks, run, false);
  }
  StateStore continued(const Workload& w, int ranks, const std::string& run, bool resume = true) {
    std::vector<std::string> hashes(static_cast<std::size_t>(ranks));
    on_thread_ranks(ranks, [&](ThreadRank& rank) {
      const Target target{.ranks = ranks, .communicator = &rank};
      RunFolder folder = RunFolder::open(
          folder_ / run, rank.rank() == 0 ? RunFolder::Access::write : RunFolder::Access::read);
      const TrainResult r = train(
          w, record_training_programs(w.config, w.model, w.training->layout(), target),
          initial_state(w), folder, {.target = target, .resume = resume, .ranks = Ranks(rank)});
      hashes[std::size_t(rank.rank())] = r.state_hash;
    });
    for (const std::string& hash : hashes) EXPECT_EQ(hash, hashes[0]);
    const RunFolder folder = RunFolder::open(folder_ / run);
    return load_checkpoint(*folder.latest_checkpoint(), w.model.parameters).state;
  }
  std::string metrics(const std::string& run) const {
    return read_text(folder_ / run / "metrics.jsonl");
  }
  /// Of both, those of the network and the optimiser.
  static void expect_near(const StateStore& found, const StateStore& expected) {
    std::size_t compared = 0;
    for (const auto& [name, state] : expected) {
      ASSERT_TRUE(found.contains(name)) << name;
      expect_all_near(found.at(name).values(), state.values(), tolerance::kExactForms, name);
      ++compared;
    }
    EXPECT_GT(compared, 3 * workload(0).model.parameters.size());  // theta and Adam's moments
  }

  TemporaryFolder folder_;
};

TEST_F(TrainingOnRanks, HasTheSameBitsForAnyNumberWithChunksOfOneSize) {
  for (const std::int64_t chunk : {1, 2}) {
    const std::string one = "one" + std::to_string(chunk);
    const std::string hash = state_digest(trained(workload(chunk), 1, one));
    for (const int ranks : {2, 4}) {
      const std::string run = std::to_string(ranks) + "of" + std::to_string(chunk);
      EXPECT_EQ(state_digest(trained(workload(chunk), ranks, run)), hash) << run;
      EXPECT_EQ(metrics(run), metrics(one)) << run;
    }
  }
}

TEST_F(TrainingOnRanks, DealsTheTasksWhereNoChunkIsSet) {
  const StateStore dealt = trained(workload(0), 4, "dealt");
  EXPECT_EQ(state_digest(dealt), state_digest(trained(workload(2), 1, "chunks")));
  expect_near(dealt, trained(workload(0), 1, "one"));
}

TEST_F(TrainingOnRanks, ComparesTheTasksOfAllRanks) {
  const StateStore one = trained(workload(0, "similarity"), 1, "one");
  expect_near(trained(workload(0, "similarity"), 2, "two"), one);
  expect_near(trained(workload(0, "similarity"), 4, "four"), one);
  EXPECT_NE(state_digest(one), state_digest(trained(workload(0), 1, "mean")));
}

TEST_F(TrainingOnRanks, GoesOnWithFewer) {
  const std::string hash = state_digest(trained(workload(2), 1, "whole"));
  Workload w = workload(2);
  w.config.train.iterations = 3;
  trained(w, 4, "run");
  w.config.train.iterations = 7;
  continued(w, 2, "run");
  EXPECT_EQ(state_digest(continued(workload(2), 1, "run")), hash);
  EXPECT_EQ(metrics("run"), metrics("whole"));
}

TEST_F(TrainingOnRanks, NamesTheRankWhoseLossIsNotFinite) {
  Workload w = workload(4);
  w.training = std::make_shared<Spoilt>(w.training);
  expect_error(ErrorKind::numerical,
               "the meta-gradient of iteration 5 is not finite; first not finite: input support_x, "
               "task 4 on rank 1 of 2. The state before it is saved in",
               [&] { trained(w, 2, "run"); });
  EXPECT_TRUE(RunFolder::open(folder_ / "run")
                  .latest_checkpoint()
                  ->string()
                  .ends_with("checkpoint-0000000004.safetensors"));
}

TEST_F(TrainingOnRanks, NamesTheRankWhoseMatrixCannotBeFactored) {
  Workload w = image_workload();
  w.config.inner.solver = "ridge";
  w.config.outer.tasks = 8;
  w.config.train.validate_every = 0;
  w.model = with_method_parameters(w.model, compose(w.config));
  w.training = std::make_shared<Spoilt>(w.training);
  expect_error(ErrorKind::numerical, "rank 1 of 2, iteration 5: [cholesky] instruction",
               [&] { trained(w, 2, "run"); });
}

TEST_F(TrainingOnRanks, StopsOnAllWhenOneIsAsked) {
  const std::atomic<bool> asked{true};
  const Workload w = workload(2);
  RunFolder::create(folder_ / "run", w.config, {});
  on_thread_ranks(2, [&](ThreadRank& rank) {
    const Target target{.ranks = 2, .communicator = &rank};
    RunFolder folder = RunFolder::open(
        folder_ / "run", rank.rank() == 0 ? RunFolder::Access::write : RunFolder::Access::read);
    const TrainResult r = train(
        w, record_training_programs(w.config, w.model, w.training->layout(), target),
        initial_state(w), folder,
        {.target = target, .stop = rank.rank() == 1 ? &asked : nullptr, .ranks = Ranks(rank)});
    EXPECT_TRUE(r.stopped);
    EXPECT_EQ(r.iterations, 0);
  });
}

TEST(EvaluationOnRanks, HasTheSameBitsForAnyNumber) {
  const Workload w = sinusoid_workload(sinusoid_config());
  const auto on = [&](int ranks) {
    std::vector<nlohmann::json> results(static_cast<std::size_t>(ranks));
    on_thread_ranks(ranks, [&](ThreadRank& rank) {
      StateStore store = initial_state(w);
      const Target target{.ranks = ranks, .communicator = &rank};
      results[std::size_t(rank.rank())] = to_json(
          evaluate(w.config, w.model, *w.training, store, 10, target, Ranks(rank)), w.config, "t");
    });
    for (const nlohmann::json& result : results) EXPECT_EQ(result, results[0]);
    return results[0];
  };
  const nlohmann::json one = on(1);
  EXPECT_GT(one.at("loss").get<double>(), 0);
  for (const int ranks : {2, 3, 4, 7}) EXPECT_EQ(on(ranks), one) << ranks;
}

TEST(TasksOfRanks, AreDealtEvenlyOrRefused) {
  const auto dealt = [](std::int64_t tasks, std::int64_t chunk, int ranks) {
    Config c;
    c.outer.tasks = tasks;
    c.outer.chunk = chunk;
    return dealt_to_ranks(c, ranks).outer.chunk;
  };
  EXPECT_EQ(dealt(32, 0, 1), 0);
  EXPECT_EQ(dealt(32, 0, 4), 8);
  EXPECT_EQ(dealt(32, 4, 4), 4);
  expect_error(ErrorKind::usage, "32 tasks cannot be dealt evenly to 3 ranks",
               [&] { dealt(32, 0, 3); });
  expect_error(ErrorKind::usage, "32 tasks in chunks of 16 are 2 chunks",
               [&] { dealt(32, 16, 4); });
}

TEST(TasksOfRanks, FitTheMemoryOfEach) {
  Workload w = image_workload();
  w.config.outer.tasks = 64;
  w.config.inner.steps = 4;
  const auto fit = [&](int ranks, std::int64_t mib) {
    w.config.train.max_memory = mib;
    return fit_to_memory(dealt_to_ranks(w.config, ranks), w.model, w.training->layout(),
                         {.ranks = ranks});
  };
  const auto bytes = [](const Fit& f) { return memory_need(f.programs).total_bytes(); };
  EXPECT_LT(bytes(fit(2, 0)), bytes(fit(1, 0)));
  const auto limit = std::int64_t(bytes(fit(2, 0)) >> 20) - 1;
  const Fit small = fit(2, limit);
  EXPECT_LE(bytes(small), std::size_t(limit) << 20);
  EXPECT_LT(small.config.outer.chunk, 32);
  EXPECT_EQ(small.programs.stages.back().step.runs * 2 * small.config.outer.chunk, 64);
}

// ---- what ranks send ---------------------------------------------------------------------------

TEST(RanksCost, CountsWhatTheProgramSends) {
  const Workload w = sinusoid_workload(sinusoid_config());
  Config c = w.config;
  c.outer.tasks = 8;
  const auto sent = [&](const Config& config) {
    return exchanged(record_training(config, w.model, w.training->layout(), {.ranks = 2}).program);
  };
  const double values = double(w.model.parameter_count()) + 2;  // and loss and score
  EXPECT_EQ(sent(c).added_bytes, 4 * values);
  EXPECT_EQ(sent(c).gathered_bytes, 0);
  c.outer.combine = "similarity";
  EXPECT_EQ(sent(c).added_bytes, 0);
  EXPECT_EQ(sent(c).gathered_bytes, 8 * 4 * values);
}

TEST(RanksCost, FollowsLatencyAndBandwidth) {
  Config c;
  c.outer.tasks = 32;
  const auto costs = ranks_costs(c, {.added_bytes = 1e6},
                                 {.seconds_per_message = 1e-5, .seconds_per_byte = 1e-9}, 0.16);
  ASSERT_EQ(costs.size(), 6u);  // 1, 2, 4, 8, 16, 32
  EXPECT_EQ(costs[0].communication_s, 0);
  EXPECT_EQ(costs[2].ranks, 4);
  EXPECT_EQ(costs[2].tasks, 8);
  EXPECT_EQ(costs[2].bytes, 1.5e6);
  EXPECT_EQ(costs[2].messages, 8);
  EXPECT_DOUBLE_EQ(costs[2].communication_s, 1.58e-3);
  EXPECT_DOUBLE_EQ(costs[2].compute_s, 0.04);
  EXPECT_EQ(scaling_limit(costs), 32);
  EXPECT_EQ(scaling_limit(ranks_costs(c, {.added_bytes = 1e6}, {.seconds_per_byte = 1e-8}, 0.16)),
            8);
}

}  // namespace
}  // namespace metatape
