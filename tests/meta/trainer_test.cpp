#include "meta/training/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/ops.h"
#include "meta/training/evaluation.h"
#include "tests/meta/small_workload.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// Episodes that do something at the start of one iteration.
class Interrupted final : public EpisodeSource {
 public:
  using Action = std::function<void(EpisodeBatch&)>;
  Interrupted(std::shared_ptr<const EpisodeSource> inner, std::uint32_t at, Action action)
      : inner_(std::move(inner)), at_(at), action_(std::move(action)) {}

  const EpisodeLayout& layout() const override { return inner_->layout(); }
  const std::string& name() const override { return inner_->name(); }
  void draw(std::uint32_t iteration, std::uint32_t first, std::uint32_t tasks,
            EpisodeBatch& batch) const override {
    inner_->draw(iteration, first, tasks, batch);
    if (iteration == at_) action_(batch);
  }
  std::vector<std::uint32_t> provenance(std::uint32_t i, std::uint32_t t) const override {
    return inner_->provenance(i, t);
  }

 private:
  std::shared_ptr<const EpisodeSource> inner_;
  std::uint32_t at_;
  Action action_;
};

class Trainer : public testing::Test {
 protected:
  fs::path path(const std::string& run) const { return folder_ / run; }
  std::string metrics(const std::string& run) const {
    return read_text(path(run) / "metrics.jsonl");
  }

  static TrainingPrograms programs_of(const Workload& w, const Target& target) {
    return record_training_programs(w.config, w.model, w.training->layout(), target);
  }
  TrainResult start(const Workload& w, const std::string& run, TrainOptions options = {}) {
    RunFolder folder = RunFolder::create(path(run), w.config, {});
    return train(w, programs_of(w, options.target), initial_state(w), folder, options);
  }
  TrainResult resume(const Workload& w, const std::string& run, int threads = 1) {
    RunFolder folder = RunFolder::open(path(run));
    return train(w, programs_of(w, {.threads = threads}), initial_state(w), folder,
                 {.target = {.threads = threads}, .resume = true});
  }
  /// Trains until a stop that is asked for during the given iteration (counted from 1).
  TrainResult start_and_stop(Workload w, const std::string& run, std::int64_t iteration) {
    std::atomic<bool> stop = false;
    w.training = std::make_shared<Interrupted>(w.training, std::uint32_t(iteration - 1),
                                               [&](EpisodeBatch&) { stop = true; });
    return start(w, run, {.stop = &stop});
  }

  TemporaryFolder folder_;
};

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

TEST_F(Trainer, LowersTheLossOfNewTasksWithEachOptimizer) {
  for (const char* settings :
       {"outer.optimizer=adam outer.lr=0.01", "outer.optimizer=sgd outer.lr=0.05",
        "outer.optimizer=sgd outer.lr=0.003 outer.momentum=0.9"}) {
    SCOPED_TRACE(settings);
    Config config = sinusoid_config();
    std::istringstream words(settings);
    for (std::string word; words >> word;) set_config(config, std::string_view(word));
    config.outer.tasks = 10;
    config.train = {.iterations = 600};
    const Workload w = sinusoid_workload(config);
    auto loss_of = [&](StateStore store) {
      return evaluate(config, w.model, *w.validation, store, 100, {}).loss.mean;
    };
    const TrainResult r = start(w, settings);
    const double after = loss_of(load_checkpoint(r.checkpoint, w.model.parameters).state);
    EXPECT_GT(after, 0);
    EXPECT_LT(after, 0.8 * loss_of(initial_state(w)));
  }
}

TEST_F(Trainer, ReportsWhereItEnded) {
  const Workload w = sinusoid_workload(sinusoid_config());
  const TrainResult r = start(w, "run");
  EXPECT_EQ(r.iterations, 10);
  EXPECT_FALSE(r.stopped);
  EXPECT_GT(r.loss, 0);
  EXPECT_EQ(r.checkpoint.filename(), "checkpoint-0000000010.safetensors");
  const Checkpoint saved = load_checkpoint(r.checkpoint, w.model.parameters);
  EXPECT_EQ(state_digest(saved.state), r.state_hash);
  EXPECT_NE(r.state_hash, state_digest(initial_state(w)));
}

TEST_F(Trainer, WritesMetricsAndValidations) {
  const Workload w = sinusoid_workload(sinusoid_config());
  start(w, "run");
  std::vector<std::pair<int, bool>> seen;  // iteration, is a validation
  for (const json& line : lines_of(metrics("run"))) {
    const bool validation = line.contains("split");
    seen.emplace_back(line.at("iteration"), validation);
    EXPECT_GT(line.at("loss").get<double>(), 0);
    if (!validation) continue;
    EXPECT_EQ(line.at("split"), "validation");
    EXPECT_EQ(line.at("tasks"), 7);
    EXPECT_EQ(line.at("episodes_hash"), episodes_digest(*w.validation, 7));
  }
  const std::vector<std::pair<int, bool>> expected = {
      {3, false}, {5, true}, {6, false}, {9, false}, {10, true}};
  EXPECT_EQ(seen, expected);
}

TEST_F(Trainer, IsTheSameInThreeRunsAndWithTwoThreads) {
  const Workload w = sinusoid_workload(sinusoid_config());
  const std::string hash = start(w, "first").state_hash;
  EXPECT_EQ(start(w, "second").state_hash, hash);
  EXPECT_EQ(start(w, "third").state_hash, hash);
  EXPECT_EQ(start(w, "threads", {.target = {.threads = 2}}).state_hash, hash);
  EXPECT_EQ(metrics("threads"), metrics("first"));
  Config other = w.config;
  other.seed = 4;
  EXPECT_NE(start(sinusoid_workload(other), "other").state_hash, hash);
}

TEST_F(Trainer, StopsWhenAskedAndSaves) {
  const Workload w = sinusoid_workload(sinusoid_config());
  const TrainResult r = start_and_stop(w, "run", 6);
  EXPECT_TRUE(r.stopped);
  EXPECT_EQ(r.iterations, 6);
  EXPECT_EQ(r.checkpoint.filename(), "checkpoint-0000000006.safetensors");
  const Checkpoint saved = load_checkpoint(r.checkpoint, w.model.parameters);
  EXPECT_EQ(state_digest(saved.state), r.state_hash);
}

TEST_F(Trainer, StoppedBeforeItsFirstIterationSavesTheStart) {
  const Workload w = sinusoid_workload(sinusoid_config());
  const std::atomic<bool> stop = true;
  const TrainResult r = start(w, "run", {.stop = &stop});
  EXPECT_EQ(r.iterations, 0);
  const Checkpoint saved = load_checkpoint(r.checkpoint, w.model.parameters);
  for (const auto& [name, value] : initial_state(w)) EXPECT_EQ(saved.state.at(name), value);
}

TEST_F(Trainer, ResumedAnywhereIsTheUnbrokenRun) {
  for (const bool recompute : {false, true}) {
    Config config = sinusoid_config();
    config.inner.recompute = recompute;
    const Workload w = sinusoid_workload(config);
    const std::string whole = recompute ? "recomputed" : "kept";
    const TrainResult unbroken = start(w, whole);
    for (std::int64_t at = 1; at < 10; ++at) {
      SCOPED_TRACE(at);
      const std::string run = whole + std::to_string(at);
      ASSERT_TRUE(start_and_stop(w, run, at).stopped);
      const TrainResult r = resume(w, run, at % 2 ? 1 : 2);
      EXPECT_EQ(r.state_hash, unbroken.state_hash);
      EXPECT_EQ(r.loss, unbroken.loss);
      EXPECT_EQ(metrics(run), metrics(whole));
    }
  }
}

TEST_F(Trainer, ForgetsMetricsBeyondTheCheckpointThatItResumes) {
  const Workload w = sinusoid_workload(sinusoid_config());
  const TrainResult unbroken = start(w, "run");
  const std::string expected = metrics("run");
  fs::remove(unbroken.checkpoint);  // as if killed between iteration 10 and its checkpoint
  write_text(path("run") / "metrics.jsonl", expected + "{\"iteration\": 11");
  EXPECT_EQ(resume(w, "run").state_hash, unbroken.state_hash);
  EXPECT_EQ(metrics("run"), expected);
}

TEST_F(Trainer, KilledBeforeItsFirstCheckpointStartsAgain) {
  const Workload w = sinusoid_workload(sinusoid_config());
  const std::string expected = start(w, "whole").state_hash;
  RunFolder::create(path("run"), w.config, {}).append_metrics({{"iteration", 3}});
  EXPECT_EQ(resume(w, "run").state_hash, expected);
  EXPECT_EQ(metrics("run"), metrics("whole"));
}

TEST_F(Trainer, ContinuesAFinishedRunThatIsGivenMoreIterations) {
  Config config = sinusoid_config();
  const TrainResult unbroken = start(sinusoid_workload(config), "whole");
  config.train.iterations = 7;
  start(sinusoid_workload(config), "run");
  config.train.iterations = 10;
  EXPECT_EQ(resume(sinusoid_workload(config), "run").state_hash, unbroken.state_hash);
  EXPECT_EQ(metrics("run"), metrics("whole"));
  EXPECT_EQ(resume(sinusoid_workload(config), "run").loss, unbroken.loss);  // nothing left to do
}

TEST_F(Trainer, NamesWhatWasNotFiniteAndKeepsTheStateBefore) {
  Config config = sinusoid_config();
  config.train.iterations = 3;
  const TrainResult good = start(sinusoid_workload(config), "good");

  config.train.iterations = 10;
  Workload w = sinusoid_workload(config);
  w.training = std::make_shared<Interrupted>(w.training, 3, [](EpisodeBatch& batch) {
    batch.query_target[0] = std::numeric_limits<float>::max();  // its square is infinite
  });
  expect_error(ErrorKind::numerical,
               "the loss or the meta-gradient of iteration 4 is not finite; first not finite: %",
               [&] { start(w, "run"); });
  const auto saved = RunFolder::open(path("run")).latest_checkpoint();
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->filename(), "checkpoint-0000000003.safetensors");
  EXPECT_EQ(state_digest(load_checkpoint(*saved, w.model.parameters).state), good.state_hash);
}

TEST_F(Trainer, NamesOperationAndScopeOfADivergedInnerLoop) {
  Config config = sinusoid_config();
  config.inner.lr = 1e30;
  const Workload w = sinusoid_workload(config);
  expect_error(ErrorKind::numerical, "# inner/1", [&] { start(w, "run"); });
  expect_error(ErrorKind::numerical, "try a smaller inner.lr or outer.lr",
               [&] { start(w, "again"); });
  const auto saved = RunFolder::open(path("run")).latest_checkpoint();
  ASSERT_TRUE(saved);
  const Checkpoint start_of_run = load_checkpoint(*saved, w.model.parameters);
  for (const auto& [name, value] : initial_state(w))
    EXPECT_EQ(start_of_run.state.at(name), value) << name;
}

/// The model with 1e-35 cos(1e38 b) added to its output, which changes no digit: at b = 0 the first
/// derivative is 0 and the second is beyond f32.
Model with_infinite_second_derivative(Model model) {
  model.head = [head = model.head](const ParamSet& p, Var features) {
    return head(p, features) + 1e-35 * cos(1e38 * p["head.bias"]);
  };
  return model;
}

TEST_F(Trainer, StopsBeforeAMetaGradientThatIsNotFiniteReachesAState) {
  Config config = sinusoid_config();
  config.inner.steps = 1;
  Workload w = sinusoid_workload(config);
  const TrainResult good = start(w, "good");
  ASSERT_TRUE(std::isfinite(good.loss));
  w.model = with_infinite_second_derivative(w.model);
  expect_error(ErrorKind::numerical,
               "the loss or the meta-gradient of iteration 1 is not finite; first not finite: %",
               [&] { start(w, "run"); });
  expect_error(ErrorKind::numerical, "# meta_gradient/inner/0, task ", [&] { start(w, "again"); });
  const Checkpoint saved =
      load_checkpoint(*RunFolder::open(path("run")).latest_checkpoint(), w.model.parameters);
  for (const auto& [name, value] : initial_state(w)) EXPECT_EQ(saved.state.at(name), value) << name;
}

TEST_F(Trainer, NamesTheFirstTaskThatIsNotFinite) {
  for (const std::int64_t chunk : {0, 2, 1}) {
    SCOPED_TRACE(chunk);
    Config config = sinusoid_config();
    config.outer.tasks = 4;
    config.outer.chunk = chunk;
    Workload w = sinusoid_workload(config);
    const std::int64_t at_once = chunk ? chunk : 4;
    std::int64_t first = 0;
    w.training = std::make_shared<Interrupted>(w.training, 2, [&](EpisodeBatch& batch) {
      if (first <= 2 && 2 < first + at_once) {
        const std::size_t task = batch.query_target.size() / std::size_t(at_once);
        batch.query_target[std::size_t(2 - first) * task] = std::numeric_limits<float>::max();
      }
      first += at_once;
    });
    expect_error(ErrorKind::numerical, ", task 2. The state before it is saved",
                 [&] { start(w, "chunk" + std::to_string(chunk)); });
  }
}

TEST_F(Trainer, NamesAnInputThatIsNotFinite) {
  Workload w = sinusoid_workload(sinusoid_config());
  w.training = std::make_shared<Interrupted>(w.training, 0, [](EpisodeBatch& batch) {
    batch.support_x[0] = std::numeric_limits<float>::quiet_NaN();
  });
  expect_error(ErrorKind::numerical, "first not finite: input support_x, task 0",
               [&] { start(w, "run"); });
}

TEST_F(Trainer, RefusesTheCheckpointOfAnotherModel) {
  start(sinusoid_workload(sinusoid_config()), "run");
  Config wider = sinusoid_config();
  wider.model.width = 9;
  const fs::path checkpoint = *RunFolder::open(path("run")).latest_checkpoint();
  const std::string before = read_text(checkpoint);
  expect_error(ErrorKind::io,
               "optimizer/m/head.weight is [1,8], this model needs [1,9]: the checkpoint is of "
               "another model",
               [&] { resume(sinusoid_workload(wider), "run"); });
  EXPECT_EQ(read_text(checkpoint), before);
}

TEST_F(Trainer, RefusesACheckpointThatIsNotOfARun) {
  const Workload w = sinusoid_workload(sinusoid_config());
  RunFolder folder = RunFolder::create(path("run"), w.config, {});
  folder.save(3, {.state = initial_state(w), .metadata = {{"iteration", "3"}}}, {});
  expect_error(ErrorKind::io, "its metadata lacks \"metrics_bytes\"", [&] { resume(w, "run"); });
}

TEST_F(Trainer, RunsInDoublePrecision) {
  Config config = sinusoid_config();
  config.train.precision = "fp64";
  const Workload w = sinusoid_workload(config);
  const TrainResult r = start(w, "run");
  for (const auto& [name, value] : load_checkpoint(r.checkpoint, w.model.parameters).state)
    EXPECT_TRUE(value.dtype() == DType::f64 || !name.starts_with("theta/")) << name;
}

TEST_F(Trainer, WritesAccuracyInPercentForClassification) {
  Workload w = image_workload();
  w.config.train = {.iterations = 4, .log_every = 2};
  const TrainResult r = start(w, "run");
  const std::vector<json> lines = lines_of(metrics("run"));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1].at("accuracy"), 100 * r.score);
  EXPECT_TRUE(r.score > 0 && r.score <= 1) << r.score;
}

TEST_F(Trainer, OrderBecomesExactAtItsMetaStep) {
  Workload w = sinusoid_workload(sinusoid_config());
  w.config.inner.order = "first";
  const TrainResult first = start(w, "first");
  w.config.inner.order = "exact";
  const TrainResult exact = start(w, "exact");
  w.config.inner.exact_from = 4;  // where a checkpoint is
  const TrainResult both = start(w, "both");
  EXPECT_NE(both.state_hash, first.state_hash);
  EXPECT_NE(both.state_hash, exact.state_hash);
  auto early = [&](const std::string& run) {
    return json::parse(metrics(run).substr(0, metrics(run).find('\n'))).at("loss").get<double>();
  };
  EXPECT_EQ(early("both"), early("first"));
  EXPECT_NE(early("both"), early("exact"));

  w.config.inner.exact_from = w.config.train.iterations;
  EXPECT_EQ(start(w, "never").state_hash, first.state_hash);
}

TEST_F(Trainer, ResumesOnEitherSideOfTheChangeOfOrder) {
  Workload w = sinusoid_workload(sinusoid_config());
  w.config.inner.exact_from = 6;
  const TrainResult whole = start(w, "whole");
  for (const std::int64_t stop : {3, 6, 8}) {
    const std::string run = "stopped" + std::to_string(stop);
    start_and_stop(w, run, stop);
    EXPECT_EQ(resume(w, run).state_hash, whole.state_hash) << stop;
    EXPECT_EQ(metrics(run), metrics("whole")) << stop;
  }
}

}  // namespace
}  // namespace metatape
