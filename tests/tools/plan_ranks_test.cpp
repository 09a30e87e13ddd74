#include <gtest/gtest.h>

#include "tests/tools/command.h"

namespace metatape {
namespace {

Arguments plan(const Arguments& more) {
  return Arguments{"plan"} + settings({"outer.tasks=8", "model.width=4", "inner.steps=2"}) + more;
}

TEST(PlanOfRanks, SaysWhatEachNeedsAndSends) {
  const Workplace place;
  const nlohmann::json alone = place.result_of(plan({}));
  const nlohmann::json four = place.result_of(plan({"--ranks", "4"}));
  EXPECT_LT(four.at("arena_bytes"), alone.at("arena_bytes"));
  EXPECT_FALSE(alone.contains("ranks"));
  const nlohmann::json& ranks = four.at("ranks");
  EXPECT_EQ(ranks.at("tasks_per_run"), 2);
  EXPECT_EQ(ranks.at("runs"), 1);
  EXPECT_EQ(ranks.at("messages"), 8);
  // Parameters, loss and score, in f32, are sent twice but for the own quarter.
  const double values = four.at("parameters").get<double>() + 2;
  EXPECT_DOUBLE_EQ(ranks.at("bytes_sent").get<double>(), 4 * values * 2 * 3 / 4);
  EXPECT_FALSE(ranks.contains("table"));
}

TEST(PlanOfRanks, FindsWhereMoreOfThemDoNotHelp) {
  const Workplace place;
  const auto with = [&](const char* latency) {
    return place
        .result_of(
            plan({"--ranks", "2", "--latency", latency, "--bandwidth", "10", "--step-time", "8"}))
        .at("ranks");
  };
  const nlohmann::json near = with("2"), far = with("600");
  ASSERT_EQ(near.at("table").size(), 4u);  // 1, 2, 4, 8 ranks
  EXPECT_DOUBLE_EQ(near.at("table").at(3).at("compute_seconds").get<double>(), 1e-3);
  EXPECT_EQ(near.at("scaling_limit"), 8);
  EXPECT_EQ(far.at("scaling_limit"), 2);
  EXPECT_GT(near.at("communication_seconds").get<double>(), 0);
}

TEST(PlanOfRanks, RefusesTasksThatCannotBeDealt) {
  const Workplace place;
  expect_failure(place, plan({"--ranks", "3"}), 2, "8 tasks cannot be dealt evenly to 3 ranks");
}

}  // namespace
}  // namespace metatape
