// Episodes that a program draws itself are those that the host draws, and so is all that follows.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/exec/cpu_executor.h"
#include "engine/ops.h"
#include "meta/training/episode_feed.h"
#include "meta/training/trainer.h"
#include "tests/meta/small_workload.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

/// Noise: classes of 5 to 8 images, every other one in the training part, in descending order.
std::shared_ptr<const PackedSet> noise_set(std::int64_t height, std::int64_t width,
                                           std::int64_t channels) {
  PackedHeader header{.kind = "noise", .height = height, .width = width, .channels = channels};
  PackedSplit split{.name = "alternating"};
  std::int64_t images = 0;
  for (std::int32_t c = 0; c < 14; ++c) {
    header.classes.push_back(
        {.name = "class" + std::to_string(c), .first = images, .count = 5 + c % 4});
    images += header.classes.back().count;
    auto& part = c % 2 ? split.train : split.test;
    part.insert(part.begin(), c);
  }
  header.splits = {split};
  std::mt19937 random(7);
  std::vector<std::uint8_t> pixels(std::size_t(images * header.image_bytes()));
  for (std::uint8_t& pixel : pixels) pixel = std::uint8_t(random());
  return std::make_shared<PackedSet>(PackedSet::in_memory(std::move(header), std::move(pixels)));
}

/// A program that draws tasks of a source and does nothing else.
class DrawingProgram {
 public:
  DrawingProgram(const EpisodeSource& source, std::int64_t tasks, DType dtype) {
    const Var iteration = recorded_.tape->input("iteration", {}, DType::i32);
    const Var first = recorded_.tape->input("first_task", {}, DType::i32);
    const EpisodeVars e = source.record(*recorded_.tape, iteration, first, tasks, dtype);
    recorded_.program = compile(
        *recorded_.tape, {.fetch = {e.support_x, e.query_x, e.support_y, e.query_y}, .update = {}});
    executor_.emplace(recorded_.program, store_);
    EpisodeFeed(recorded_, source, *executor_);
  }

  EpisodeBatch draw(std::int32_t iteration, std::int32_t first_task) {
    executor_->input("iteration").set_at(0, iteration);
    executor_->input("first_task").set_at(0, first_task);
    executor_->run();
    EpisodeBatch batch;
    batch.tasks = executor_->fetch(0).shape().tasks();
    batch.support_x = fetch<float>(0);
    batch.query_x = fetch<float>(1);
    batch.support_y = fetch<std::int32_t>(2);
    batch.query_y = fetch<std::int32_t>(3);
    return batch;
  }

 private:
  template <class T>
  std::vector<T> fetch(std::size_t k) const {
    std::vector<T> converted;
    for (double value : executor_->fetch(k).values()) {
      converted.push_back(T(value));
      EXPECT_EQ(double(converted.back()), value) << "more digits than the host's";
    }
    return converted;
  }

  RecordedProgram recorded_{
      .tape = std::make_unique<Tape>(), .program = {}, .draws_episodes = true};
  StateStore store_;
  std::optional<CpuExecutor> executor_;
};

/// `labels` of one task, for each of several.
std::vector<std::int32_t> repeated(const std::vector<std::int32_t>& labels, std::int64_t tasks) {
  std::vector<std::int32_t> all;
  for (std::int64_t t = 0; t < tasks; ++t) all.insert(all.end(), labels.begin(), labels.end());
  return all;
}

void expect_same_draws(const ImageEpisodes& source) {
  EpisodeBatch host;
  for (DType dtype : {DType::f32, DType::f64}) {
    for (std::int64_t tasks = 1; tasks <= 5; ++tasks) {
      DrawingProgram program(source, tasks, dtype);
      for (const auto& [iteration, first_task] :
           {std::pair{0, 0}, {1, 0}, {2, 3}, {77, 1000}, {INT32_MAX, 5}}) {
        source.draw(std::uint32_t(iteration), std::uint32_t(first_task), std::uint32_t(tasks),
                    host);
        ASSERT_GT(*std::max_element(host.query_x.begin(), host.query_x.end()), 0);
        const EpisodeBatch drawn = program.draw(iteration, first_task);
        EXPECT_EQ(drawn.tasks, tasks);
        EXPECT_EQ(drawn.support_x, host.support_x);
        EXPECT_EQ(drawn.query_x, host.query_x);
        EXPECT_EQ(repeated(drawn.support_y, tasks), host.support_y);
        EXPECT_EQ(repeated(drawn.query_y, tasks), host.query_y);
      }
    }
  }
}

TEST(RecordedEpisodes, AreThoseOfTheHostWithEveryRotation) {
  for (Rotations rotations : {Rotations::none, Rotations::per_task, Rotations::as_classes})
    for (std::int64_t channels : {1, 3})
      for (std::int64_t side : {1, 3, 6}) {
        SCOPED_TRACE(testing::Message() << int(rotations) << ", " << side << " x " << channels);
        expect_same_draws(ImageEpisodes(
            noise_set(side, side, channels),
            {.ways = 7, .shots = 2, .queries = 3, .rotations = rotations, .seed = 1ull << 40}));
      }
}

TEST(RecordedEpisodes, AreThoseOfTheHostForOblongImagesAndOtherParts) {
  expect_same_draws(
      ImageEpisodes(noise_set(5, 3, 3), {.part = "test",
                                         .ways = 1,
                                         .shots = 1,
                                         .queries = 4,
                                         .purpose = kernels::RandomPurpose::test_episodes}));
}

TEST(RecordedEpisodes, ASourceThatCannotSaysSo) {
  const SinusoidEpisodes source({});
  EXPECT_FALSE(source.can_record());
  Tape tape;
  const Var number = tape.input("number", {}, DType::i32);
  expect_error(ErrorKind::usage, "a program cannot draw these tasks itself",
               [&] { source.record(tape, number, number, 1, DType::f32); });
}

TEST(RecordedEpisodes, AreDrawnOnAGpuWhereTheSettingAndTheSourceAllowIt) {
  const Workload images = image_workload(), curves = sinusoid_workload(sinusoid_config());
  auto draws = [](Config config, bool resident, const Workload& w, Device device) {
    config.data.resident = resident;
    return episode_input(config, *w.training, {.device = device}).source != nullptr;
  };
  EXPECT_TRUE(draws(images.config, true, images, Device::cuda));
  EXPECT_FALSE(draws(images.config, false, images, Device::cuda));
  EXPECT_FALSE(draws(images.config, true, images, Device::cpu));
  EXPECT_FALSE(draws(curves.config, true, curves, Device::cuda));
}

// ---- programs ----------------------------------------------------------------------------------

Workload turned_workload() {
  Workload w = image_workload();
  w.config.train = {.iterations = 6, .log_every = 2, .checkpoint_every = 3};
  w.training = std::make_shared<ImageEpisodes>(
      noise_set(16, 16, 1),
      ImageEpisodesOptions{
          .ways = 3, .shots = 1, .queries = 2, .rotations = Rotations::as_classes, .seed = 5});
  return w;
}

class RecordedTraining : public testing::Test {
 protected:
  TrainResult run(const Workload& w, const EpisodeInput& input, const std::string& name,
                  bool resume = false) {
    RunFolder folder =
        resume ? RunFolder::open(folder_ / name) : RunFolder::create(folder_ / name, w.config, {});
    return train(w, {record_training(w.config, w.model, input, {}), w.config.train.iterations},
                 initial_state(w), folder, {.resume = resume});
  }
  std::string metrics(const std::string& name) const {
    return read_text(folder_ / name / "metrics.jsonl");
  }

  TemporaryFolder folder_;
};

TEST_F(RecordedTraining, IsTheTrainingThatTheHostFeeds) {
  for (const char* precision : {"fp32", "fp64"}) {
    Workload w = turned_workload();
    w.config.train.precision = precision;
    const std::string fed = std::string("fed") + precision,
                      drawn = std::string("drawn") + precision;
    const TrainResult expected = run(w, w.training->layout(), fed);
    ASSERT_GT(expected.loss, 0);
    const TrainResult r = run(w, EpisodeInput::drawn_from(*w.training), drawn);
    EXPECT_EQ(r.state_hash, expected.state_hash);
    EXPECT_EQ(r.loss, expected.loss);
    EXPECT_EQ(metrics(drawn), metrics(fed));
  }
}

TEST_F(RecordedTraining, ResumesAtItsIterationWhoeverDrawsThen) {
  Workload w = turned_workload();
  const EpisodeInput fed = w.training->layout(), drawn = EpisodeInput::drawn_from(*w.training);
  const std::string whole = run(w, fed, "whole").state_hash;
  for (const auto& [name, first, second] :
       {std::tuple{"drawn", drawn, drawn}, {"then fed", drawn, fed}, {"then drawn", fed, drawn}}) {
    w.config.train.iterations = 2;
    const TrainResult part = run(w, first, name);
    const Checkpoint saved = load_checkpoint(part.checkpoint, w.model.parameters);
    ASSERT_TRUE(saved.state.contains(kIterationState));
    EXPECT_EQ(saved.state.at(kIterationState).dtype(), DType::i32);
    EXPECT_EQ(saved.state.at(kIterationState).at(0), 2);
    w.config.train.iterations = 6;
    EXPECT_EQ(run(w, second, name, true).state_hash, whole) << name;
    EXPECT_EQ(metrics(name), metrics("whole")) << name;
  }
}

TEST(RecordedEvaluation, SeesTheTasksOfEachChunk) {
  Workload w = turned_workload();
  for (std::int64_t steps : {0, 2}) {  // without steps the program needs no support
    w.config.inner.test_steps = steps;
    StateStore store = initial_state(w);
    auto losses = [&](const EpisodeInput& input) {
      const RecordedProgram recorded = record_evaluation(w.config, w.model, input, 3, {});
      CpuExecutor executor(recorded.program, store);
      EpisodeFeed episodes(recorded, *w.training, executor);
      std::vector<double> all;
      for (std::int64_t first : {0, 3, 6}) {
        episodes.feed(0, first, 3);
        executor.run();
        for (double loss : executor.fetch(std::size_t(steps)).values()) all.push_back(loss);
      }
      return all;
    };
    const std::vector<double> fed = losses(w.training->layout());
    ASSERT_NE(fed[0], fed[3]);
    EXPECT_EQ(losses(EpisodeInput::drawn_from(*w.training)), fed);
  }
}

std::size_t aligned(std::size_t bytes) {
  return (bytes + Plan::kAlignment - 1) / Plan::kAlignment * Plan::kAlignment;
}

TEST(RecordedTrainingPlan, CountsTheDataSetOnceAndNoEpisodes) {
  const Workload w = turned_workload();
  auto resident_bytes = [&](const EpisodeInput& input) {
    return record_training(w.config, w.model, input, {}).program.plan.resident_bytes;
  };
  std::size_t kept = 0, episodes = 0;
  for (const ResidentInput& input : w.training->resident()) kept += aligned(input.bytes.size());
  EXPECT_GT(kept, noise_set(16, 16, 1)->images().size());
  for (std::int64_t images : {3, 6})  // support and query of 4 tasks, with labels
    episodes +=
        aligned(std::size_t(4 * images * 16 * 16) * 4) + aligned(std::size_t(4 * images) * 4);
  EXPECT_EQ(resident_bytes(EpisodeInput::drawn_from(*w.training)),
            resident_bytes(w.training->layout()) - episodes + kept);
}

}  // namespace
}  // namespace metatape
