// The memory that a run takes is the memory that the plan announced.

#include <gtest/gtest.h>

#include "tests/tools/command.h"

namespace metatape {
namespace {

constexpr double kMostDifference = 0.1;  // of what was announced

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

double peak_bytes(const Workplace& place, const std::string& out, const Arguments& arguments) {
  const CommandResult r = place.run(Arguments{"train", "--out", out} + arguments);
  EXPECT_EQ(r.exit_code, 0) << r.errors;
  return double(r.peak_bytes);
}

void expect_planned_memory(const std::vector<std::string>& more, const char* threads) {
  if (kSanitized) GTEST_SKIP() << "the address sanitizer takes memory of its own";
  const Workplace place;
  const Arguments run = Arguments{"--threads", threads} +
                        settings({"model.width=64", "outer.tasks=16", "inner.steps=2"}) +
                        settings(more) + settings({"train.iterations=2"});
  // The program and its libraries at work on next to nothing: one point, one unit, no data set.
  const double empty = peak_bytes(
      place, "empty",
      Arguments{"--threads", threads, "--recipe", "sinusoid-10shot-maml"} +
          settings({"train.iterations=1", "model.width=1", "outer.tasks=1", "task.shots=1"}));
  const double used = peak_bytes(place, "run", run) - empty;
  const nlohmann::json plan = place.result_of(Arguments{"plan"} + run);
  const double planned =
      plan.at("arena_bytes").get<double>() + plan.at("resident_bytes").get<double>();
  EXPECT_LE(std::abs(used - planned), kMostDifference * planned)
      << used << " bytes used above " << empty << ", " << planned << " planned";
  testing::Test::RecordProperty("used_over_planned", std::to_string(used / planned));
}

TEST(SlowMemory, OfARunIsAsPlanned) { expect_planned_memory({}, "1"); }

TEST(SlowMemory, OfARunWithTwoThreadsAndRecomputationIsAsPlanned) {
  expect_planned_memory({"inner.recompute=true"}, "2");
}

}  // namespace
}  // namespace metatape
