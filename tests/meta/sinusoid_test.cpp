#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "meta/data/sinusoid_episodes.h"
#include "tests/support/expect_error.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

TEST(Sinusoid, PointsLieOnTheCurveOfTheTask) {
  const SinusoidEpisodes source({.shots = 7, .queries = 4, .seed = 3});
  EpisodeBatch batch;
  source.draw(2, 0, 3, batch);
  ASSERT_EQ(batch.support_x.size(), 21u);
  ASSERT_EQ(batch.query_target.size(), 12u);
  EXPECT_TRUE(batch.support_y.empty());
  for (std::uint32_t t = 0; t < 3; ++t) {
    const SinusoidTask task = source.choose(2, t);
    for (std::size_t i = 0; i < 7; ++i) {
      const double x = batch.support_x[t * 7 + i];
      const double y = task.amplitude * std::sin(x - task.phase);
      EXPECT_NEAR(batch.support_target[t * 7 + i], y,
                  tolerance::elementwise<float>() * task.amplitude);
    }
  }
  EXPECT_EQ(source.layout().kind, TaskKind::regression);
  EXPECT_EQ(source.layout().support_x, (std::vector<std::int64_t>{7, 1}));
  EXPECT_EQ(source.layout().query_x, (std::vector<std::int64_t>{4, 1}));
}

TEST(Sinusoid, ParametersCoverTheirRangesEvenly) {
  constexpr std::uint32_t kTasks = 20'000;
  const SinusoidEpisodes source({.shots = 1, .queries = 1});
  double amplitudes = 0, phases = 0, xs = 0, least = 9, largest = 0;
  for (std::uint32_t t = 0; t < kTasks; ++t) {
    const SinusoidTask task = source.choose(0, t);
    amplitudes += task.amplitude;
    phases += task.phase;
    xs += task.support_x[0];
    least = std::min(least, task.amplitude);
    largest = std::max(largest, task.amplitude);
    ASSERT_TRUE(task.phase >= 0 && task.phase <= std::numbers::pi);
    ASSERT_TRUE(std::abs(task.support_x[0]) <= 5 && std::abs(task.query_x[0]) <= 5);
  }
  const double unit = tolerance::kSigmas * std::sqrt(1 / 12.0 / kTasks);  // of the mean of U[0, 1]
  EXPECT_LT(std::abs(amplitudes / kTasks - 2.55), 4.9 * unit);
  EXPECT_LT(std::abs(phases / kTasks - std::numbers::pi / 2), std::numbers::pi * unit);
  EXPECT_LT(std::abs(xs / kTasks), 10 * unit);
  EXPECT_TRUE(least >= 0.1 && least < 0.11);
  EXPECT_TRUE(largest <= 5 && largest > 4.99);
}

TEST(Sinusoid, PredictingZeroHasTheKnownError) {
  constexpr std::uint32_t kTasks = 20'000;
  const SinusoidEpisodes source({.shots = 1, .queries = 1});
  EpisodeBatch batch;
  source.draw(0, 0, kTasks, batch);
  double sum = 0, squares = 0;
  for (float y : batch.query_target) {
    sum += y * y;
    squares += double(y) * y * y * y;
  }
  const double mean = sum / kTasks;
  const double sigma = std::sqrt((squares / kTasks - mean * mean) / kTasks);
  const double expected = (5.0 * 5 * 5 - 0.1 * 0.1 * 0.1) / (3 * 4.9) / 2;  // E[amplitude^2] / 2
  // E[sin^2(x - phase)] differs from 1/2 by E[sin 2x sin 2 phase] and E[cos 2x cos 2 phase]: both
  // vanish, because the mean of sin(2 phase) and cos(2 phase) over half a turn is zero.
  EXPECT_LT(std::abs(mean - expected), tolerance::kSigmas * sigma);
}

TEST(Sinusoid, TasksDoNotDependOnHowTheyAreCut) {
  const SinusoidEpisodes source({.shots = 3, .queries = 2, .seed = 5});
  EpisodeBatch all, part;
  source.draw(4, 0, 6, all);
  for (std::uint32_t t = 0; t < 6; t += 2) {
    source.draw(4, t, 2, part);
    EXPECT_TRUE(
        std::equal(part.support_x.begin(), part.support_x.end(), all.support_x.begin() + t * 3));
    EXPECT_TRUE(std::equal(part.query_target.begin(), part.query_target.end(),
                           all.query_target.begin() + t * 2));
  }
}

TEST(Sinusoid, DigestTellsSeedsPurposesAndSizesApart) {
  const auto digest = [](SinusoidEpisodesOptions options) {
    return episodes_digest(SinusoidEpisodes(options), 20);
  };
  const std::string base = digest({.seed = 1});
  EXPECT_EQ(base, digest({.seed = 1}));
  EXPECT_NE(base, digest({.seed = 2}));
  EXPECT_NE(base, digest({.seed = 1, .purpose = kernels::RandomPurpose::test_episodes}));
  EXPECT_NE(base, digest({.queries = 9, .seed = 1}));
}

TEST(Sinusoid, RefusesTasksWithoutPoints) {
  expect_error(ErrorKind::usage, "0 shots and 10 queries", [] { SinusoidEpisodes({.shots = 0}); });
  expect_error(ErrorKind::usage, "5 shots and -1 queries",
               [] { SinusoidEpisodes({.shots = 5, .queries = -1}); });
}

}  // namespace
}  // namespace metatape
