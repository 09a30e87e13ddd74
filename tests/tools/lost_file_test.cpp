// A data set that is taken away while it is in use.

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/tools/small_run.h"

namespace metatape {
namespace {

void wait_for(const std::filesystem::path& file) {
  while (!std::filesystem::exists(file)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST(LostFile, IsNamedAndTheRunGoesOnWhenItIsBack) {
  const SmallRun run;
  const std::string set = run.read("small.mtd");
  Process process = run.start(run.train("run", {"train.iterations=1000000"}));
  wait_for(run.path("run/metrics.jsonl"));
  std::filesystem::resize_file(run.path("small.mtd"), 0);
  const CommandResult lost = process.wait();
  EXPECT_EQ(lost.exit_code, 3) << lost.errors;
  EXPECT_NE(lost.errors.find("small.mtd] became shorter or unreadable"), std::string::npos)
      << lost.errors;
  write_text(run.path("small.mtd"), set);
  const nlohmann::json resumed = run.result_of(run.resume("run", {"train.iterations=100"}));
  EXPECT_GE(resumed.at("iterations"), 100);
}

}  // namespace
}  // namespace metatape
