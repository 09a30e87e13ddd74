// `mpirun -n N metatape train` and `eval`: the same bits for any N, and one message when something
// goes wrong.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <regex>
#include <thread>

#include "tests/ranks_launched/mpirun.h"

namespace metatape {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

/// A run must end this long after one of its processes died or failed.
constexpr auto kMostToEnd = std::chrono::seconds(30);

int messages_in(const std::string& text) {
  const std::regex message("(^|\n)metatape: [a-z]+ error: ");
  return int(std::distance(std::sregex_iterator(text.begin(), text.end(), message), {}));
}

/// Exit code, one message in all that holds the fragment, and the same message as JSON.
void expect_one_message(const CommandResult& r, int exit_code, const std::string& fragment) {
  SCOPED_TRACE(r.errors);
  EXPECT_EQ(r.exit_code, exit_code);
  EXPECT_EQ(messages_in(r.errors), 1);
  EXPECT_NE(r.errors.find(fragment), std::string::npos) << "expected: " << fragment;
  EXPECT_NE(r.json().value("error", "").find(fragment), std::string::npos) << r.output;
}

/// Different arguments for two ranks.
CommandResult run_two(const RankedRun& run, const Arguments& first, const Arguments& second) {
  return run.run(on_ranks(1, first) + Arguments{":"} + on_ranks(1, second), mpirun_options());
}

/// The latest checkpoint in a folder; empty if there is none.
std::string latest_checkpoint(const fs::path& folder) {
  std::string latest;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder, absent))
    if (entry.path().extension() == ".safetensors")
      latest = std::max(latest, entry.path().filename().string());
  return latest;
}

/// Waits for a checkpoint, whichever: a run keeps its last two. It is there after a second; under
/// the address sanitizer, four ranks on a busy machine need more than 30.
bool saves(const fs::path& folder) {
  for (int tries = 0; tries < 2400 && latest_checkpoint(folder).empty(); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return !latest_checkpoint(folder).empty();
}

/// The process of a rank that works in the folder; 0 if there is none.
pid_t process_of(int rank, const fs::path& folder) {
  const std::string wanted = "OMPI_COMM_WORLD_RANK=" + std::to_string(rank);
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code error;
    if (fs::read_symlink(entry.path() / "exe", error) != fs::canonical(MT_COMMAND)) continue;
    if (fs::read_symlink(entry.path() / "cwd", error) != fs::canonical(folder)) continue;
    std::ifstream environment(entry.path() / "environ", std::ios::binary);
    for (std::string variable; std::getline(environment, variable, '\0');)
      if (variable == wanted) return std::stoi(entry.path().filename().string());
  }
  return 0;
}

// ---- the same numbers --------------------------------------------------------------------------

TEST(RankedTrain, WritesTheSameBytesOnOneTwoAndFourRanks) {
  const RankedRun run;
  const Arguments chunks = settings({"outer.chunk=2"});
  const std::string hash = run.hash_of(run.train("one") + chunks);
  EXPECT_EQ(run.launched_hash(2, run.train("two") + chunks), hash);
  EXPECT_EQ(run.launched_hash(4, run.train("four")), hash);  // a chunk is outer.tasks / ranks
  const auto files = run.files_in("one");
  EXPECT_EQ(run.files_in("four"), files);
  for (const std::string& file : files)
    if (!file.ends_with(".json")) {  // which hold the time
      EXPECT_EQ(run.read("four/" + file), run.read("one/" + file)) << file;
    }
  const auto result = nlohmann::json::parse(run.read("four/result.json"));
  EXPECT_EQ(result.at("train").at("ranks"), 4);
  EXPECT_EQ(result.at("train").at("threads"), 1);
}

TEST(RankedTrain, GoesOnWithFewerRanksBitForBit) {
  const RankedRun run;
  const std::string hash = run.hash_of(run.train("whole", {"outer.chunk=2"}));
  run.launched_hash(4, run.train("run", {"train.iterations=2"}));
  run.launched_hash(2, run.resume("run", {"train.iterations=4"}) + Arguments{"--json"});
  EXPECT_EQ(run.hash_of(run.resume("run", {"train.iterations=6"})), hash);
  EXPECT_EQ(run.read("run/metrics.jsonl"), run.read("whole/metrics.jsonl"));
}

TEST(RankedEval, HasTheSameNumbersAsOneProcess) {
  const RankedRun run;
  run.result_of(run.train("run", {"outer.chunk=2"}));
  const Arguments eval{"eval", "--run", "run", "--tasks", "11", "--json"};
  const CommandResult r = run.launch(4, eval);
  EXPECT_EQ(r.exit_code, 0) << r.errors;
  EXPECT_EQ(r.json(), run.result_of(eval));
  EXPECT_GT(r.json().at("loss").get<double>(), 0);
}

TEST(RankedCommand, OthersRunOnce) {
  const RankedRun run;
  const CommandResult r = run.launch(2, {"info", "small.mtd", "--json"});
  EXPECT_EQ(r.exit_code, 0) << r.errors;
  EXPECT_EQ(std::ranges::count(r.output, '\n'), 1) << r.output;
}

// ---- failures ----------------------------------------------------------------------------------

TEST(RankedTrain, EndsWithinSecondsAfterARankIsKilled) {
  const RankedRun run;
  Process process = run.start_launch(4, run.train("run", {"train.iterations=1000000"}));
  ASSERT_TRUE(saves(run.path("run")));
  const pid_t victim = process_of(2, run.path(""));
  ASSERT_GT(victim, 0);
  const auto killed = Clock::now();
  ::kill(victim, SIGKILL);
  const CommandResult r = process.wait();
  EXPECT_LT(Clock::now() - killed, kMostToEnd);
  EXPECT_NE(r.exit_code, 0);
  EXPECT_NE(r.errors.find("rank 2"), std::string::npos) << r.errors;
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(process_of(rank, run.path("")), 0);
  // The last checkpoint is whole: one process goes on from it.
  const std::string last = latest_checkpoint(run.path("run"));
  const int saved = std::stoi(last.substr(std::string("checkpoint-").size()));
  const std::string iterations = "train.iterations=" + std::to_string(saved + 2);
  EXPECT_EQ(run.result_of(run.resume("run", {iterations})).at("iterations"), saved + 2);
}

TEST(RankedTrain, SavesAndStopsWhenOneRankIsAsked) {
  const RankedRun run;
  Process process = run.start_launch(2, run.train("run", {"train.iterations=1000000"}));
  ASSERT_TRUE(saves(run.path("run")));
  ::kill(process_of(1, run.path("")), SIGTERM);
  const CommandResult r = process.wait();
  EXPECT_EQ(r.exit_code, 0) << r.errors;
  const auto iterations = r.json().at("iterations").get<std::int64_t>();
  EXPECT_TRUE(r.json().at("stopped"));
  EXPECT_GT(iterations, 0);
  EXPECT_TRUE(fs::exists(run.path(fmt::format("run/checkpoint-{:010}.safetensors", iterations))));
}

TEST(RankedTrain, RefusesRanksThatDisagree) {
  const RankedRun run;
  const CommandResult r = run_two(run, run.train("run"), run.train("run", {"inner.lr=0.7"}));
  expect_one_message(r, 2, "rank 1 of 2 differs from rank 0 in settings.inner.lr: found 0.7");
  EXPECT_FALSE(fs::exists(run.path("run")));
}

TEST(RankedTrain, NamesTheRankThatCannotReadItsFile) {
  const RankedRun run;
  Arguments elsewhere = run.train("run");
  std::ranges::replace(elsewhere, "small.mtd", "missing.mtd");
  const auto began = Clock::now();
  const CommandResult r = run_two(run, run.train("run"), elsewhere);
  EXPECT_LT(Clock::now() - began, kMostToEnd);
  expect_one_message(r, 3, "rank 1 of 2: [missing.mtd] cannot read the file");
}

TEST(RankedTrain, SaysOnceWhatAllRanksFind) {
  const RankedRun run;
  const CommandResult diverged = run.launch(2, run.train("run", {"inner.lr=1e20"}));
  expect_one_message(diverged, 4, "on rank 0 of 2. The state before it is saved in run/checkpoint");
  expect_one_message(run.launch(3, run.train("three")), 2,
                     "8 tasks cannot be dealt evenly to 3 ranks");
}

TEST(RankedTrain, NoticesProcessesThatDoNotKnowOfEachOther) {
  const RankedRun run;
  CommandOptions as_by_slurm = mpirun_options();
  as_by_slurm.program = MT_COMMAND;
  as_by_slurm.environment.insert({{"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "0"}});
  const CommandResult r = run.run(run.train("run"), as_by_slurm);
  EXPECT_EQ(r.exit_code, 2) << r.errors;
  EXPECT_NE(r.errors.find("the launcher started 2 processes, MPI sees 1"), std::string::npos)
      << r.errors;
  // An allocation alone, without a step, starts nothing.
  as_by_slurm.environment.erase("SLURM_STEP_NUM_TASKS");
  as_by_slurm.environment["SLURM_NTASKS"] = "2";
  EXPECT_EQ(run.run(run.train("run"), as_by_slurm).exit_code, 0);
}

}  // namespace
}  // namespace metatape
