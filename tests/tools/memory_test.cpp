// The memory that a run takes is the memory that the plan announced.

#include <gtest/gtest.h>

#include "tests/tools/command.h"

namespace metatape {
namespace {

constexpr double kMostDifference = 0.1;  // of what was announced
constexpr double kMostAbove = 0.05;      // a forecast that is too low ends a run later

double peak_bytes(const Workplace& place, const std::string& out, const Arguments& arguments) {
  const CommandResult r = place.run(Arguments{"train", "--out", out} + arguments);
  EXPECT_EQ(r.exit_code, 0) << r.errors;
  return double(r.peak_bytes);
}

void expect_planned_memory(const std::vector<std::string>& more, const char* threads) {
  if (kAddressSanitizer) GTEST_SKIP() << "the address sanitizer takes memory of its own";
  const Workplace place;
  const auto arguments = [&](const char* tasks) {
    return Arguments{"--threads", threads} +
           settings({"model.width=64", "inner.steps=2", std::string("outer.tasks=") + tasks}) +
           settings(more) + settings({"train.iterations=2"});
  };
  const auto planned_bytes = [&](const Arguments& run) {
    const nlohmann::json plan = place.result_of(Arguments{"plan"} + run);
    return plan.at("arena_bytes").get<double>() + plan.at("resident_bytes").get<double>();
  };
  // The program and its libraries at work on one task: oneDNN generates code for each shape of
  // convolution, 5 MB in all.
  const double empty = peak_bytes(place, "one", arguments("1")) - planned_bytes(arguments("1"));
  const double used = peak_bytes(place, "run", arguments("16")) - empty;
  const double planned = planned_bytes(arguments("16"));
  EXPECT_LE(std::abs(used - planned), kMostDifference * planned)
      << used << " bytes used above " << empty << ", " << planned << " planned";
  EXPECT_LE(used, (1 + kMostAbove) * planned);
  testing::Test::RecordProperty("used_over_planned", std::to_string(used / planned));
}

TEST(SlowMemory, OfARunIsAsPlanned) { expect_planned_memory({}, "1"); }

TEST(SlowMemory, OfARunWithTwoThreadsAndRecomputationIsAsPlanned) {
  expect_planned_memory({"inner.recompute=true"}, "2");
}

}  // namespace
}  // namespace metatape
