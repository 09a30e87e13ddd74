// Nothing that happens while a run is being saved loses it: the process dies at any point of it, or
// the operating system refuses any call of it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>

#include "engine/io/safetensors.h"
#include "tests/tools/small_run.h"

namespace metatape {
namespace {

constexpr int kFile = 3;

CommandOptions with_fault(const std::string& fault) {
  return {.environment = {{"LD_PRELOAD", MT_IO_FAULTS},
                          {"MT_IO_FAULT", fault},
                          {"ASAN_OPTIONS", "verify_asan_link_order=0"}}};
}

bool is_temporary(const std::string& name) { return name.find(".partial-") != name.npos; }

/// Number of its last checkpoint; 0 if it has none yet. Every checkpoint must be whole.
std::int64_t readable_state(const Workplace& place, const std::string& run) {
  std::int64_t last = 0;
  if (!std::filesystem::exists(place.path(run))) return last;
  for (const std::string& name : place.files_in(run)) {
    if (!name.starts_with("checkpoint-") || is_temporary(name)) continue;
    const SafetensorsFile file(place.path(run + "/" + name));
    EXPECT_FALSE(file.names().empty());
    last = std::stol(file.metadata().at("iteration"));
    EXPECT_EQ(name, fmt::format("checkpoint-{:010}.safetensors", last));
  }
  const std::string config = run + "/config.json";
  if (std::filesystem::exists(place.path(config))) {
    EXPECT_TRUE(nlohmann::json::parse(place.read(config)).contains("settings"));
  }
  return last;
}

// Each process goes on where the last one died. They die at their first, second, ... call of the
// operating system about a file of the run: of writing the settings and then one checkpoint after
// the other, each opened, written in some 40 pieces, synced and renamed.
TEST(SlowSaving, TwoHundredKillsLeaveEveryRunReadable) {
  constexpr int kKills = 200;
  const SmallRun run;
  const std::vector<std::string> often = {"train.iterations=2000", "train.checkpoint_every=1",
                                          "train.log_every=7"};
  std::int64_t last = 0;
  int temporaries = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    SCOPED_TRACE(fmt::format("kill {}", kill));
    const CommandResult r = run.run(run.train("run", often) + Arguments{"--resume"},
                                    with_fault(fmt::format("any:run/:{}:kill", kill + 1)));
    ASSERT_EQ(r.exit_code, -SIGKILL) << r.errors;
    const std::int64_t found = readable_state(run, "run");
    ASSERT_GE(found, last) << "an older state than before";
    last = found;
    for (const std::string& name : run.files_in("run")) temporaries += is_temporary(name);
  }
  EXPECT_GT(last, kKills / 4) << "the runs never got as far as a checkpoint";
  EXPECT_GT(temporaries, kKills / 2) << "the kills did not strike while saving";
  const std::string end = fmt::format("train.iterations={}", last + 3);
  const std::string resumed = run.hash_of(run.resume("run", {end}));
  for (const std::string& name : run.files_in("run")) EXPECT_FALSE(is_temporary(name)) << name;
  const std::string whole = run.hash_of(run.train("whole", {end, "train.log_every=7"}));
  EXPECT_EQ(resumed, whole);
  EXPECT_EQ(run.read("run/metrics.jsonl"), run.read("whole/metrics.jsonl"));
}

/// A run with a checkpoint after 4 of 8 iterations.
class HalfRun : public SmallRun {
 public:
  HalfRun() {
    result_of(train("run", {"train.iterations=4"}));
    before_ = read(kBefore);
    expected_ = hash_of(train("whole", {"train.iterations=8"}));
  }

  /// Going on must fail with a message that holds the fragments, lose nothing, and succeed later.
  void expect_refusal(const std::string& fault, const std::string& file,
                      const std::string& fragment) const {
    SCOPED_TRACE(fault);
    const Arguments more = resume("run", {"train.iterations=8"});
    expect_failure(*this, more, kFile, fragment, with_fault(fault));
    expect_failure(*this, more, kFile, "[run/" + file + "] cannot", with_fault(fault));
    EXPECT_EQ(read(kBefore), before_);
    EXPECT_GE(readable_state(*this, "run"), 4);
    for (const std::string& name : files_in("run")) EXPECT_FALSE(is_temporary(name)) << name;
    expect_success("none:::");
  }

  /// Going on must end where the unbroken run did. Takes the run back to its fourth iteration.
  void expect_success(const std::string& fault) const {
    SCOPED_TRACE(fault);
    const CommandResult r =
        run(resume("run", {"train.iterations=8"}) + Arguments{"--json"}, with_fault(fault));
    ASSERT_EQ(r.exit_code, 0) << r.errors;
    EXPECT_EQ(r.json().at("state_hash"), expected_);
    EXPECT_EQ(read("run/metrics.jsonl"), read("whole/metrics.jsonl"));
    std::filesystem::remove(path("run/" + std::string(kAfter)));
  }

  static constexpr const char* kAfter = "checkpoint-0000000008.safetensors";

 private:
  static constexpr const char* kBefore = "run/checkpoint-0000000004.safetensors";
  std::string before_, expected_;
};

TEST(SlowSaving, CallsThatFailLeaveThePreviousCheckpoint) {
  const HalfRun run;
  const std::string full = "the disk is full: free space there or choose another folder";
  const std::string closed = "choose a folder that you may write to";
  const std::string file = HalfRun::kAfter;
  run.expect_refusal("open:checkpoint-:1+:EROFS", file, "Read-only file system; " + closed);
  run.expect_refusal("open:checkpoint-:1+:EACCES", file, "Permission denied; " + closed);
  run.expect_refusal("open:checkpoint-:1+:ENOSPC", file, full);
  for (const char* from : {"1+", "2+", "3+"})
    run.expect_refusal(fmt::format("pwrite:checkpoint-:{}:ENOSPC", from), file, full);
  run.expect_refusal("pwrite:checkpoint-:2+:EDQUOT", file, "your quota is used up");
  run.expect_refusal("pwrite:checkpoint-:2+:EIO", file, "Input/output error; check the disk");
  run.expect_refusal("fsync:checkpoint-:1:EIO", file, "cannot bring");
  run.expect_refusal("rename:checkpoint-:1:EACCES", file, "cannot replace the file");
  run.expect_refusal("pwrite:config.json:1+:ENOSPC", "config.json", full);
  run.expect_refusal("fsync:config.json:1:EIO", "config.json", "cannot bring");
}

TEST(SlowSaving, ShortAndInterruptedCallsAreMadeGood) {
  const HalfRun run;
  for (const char* fault :
       {"pwrite:checkpoint-:1+:half", "pwrite:checkpoint-:2:EINTR", "fsync:checkpoint-:1:EINTR"})
    run.expect_success(fault);
}

// The new name is there, but a power failure could still take it back: this is said, and both
// checkpoints are whole.
TEST(SlowSaving, FolderThatCannotBeSyncedIsNamed) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=4"}));
  expect_failure(run, run.resume("run", {"train.iterations=8"}), kFile,
                 "cannot bring the folder to the disk", with_fault("fsync:/run$:1+:EIO"));
  EXPECT_GE(readable_state(run, "run"), 4);
}

}  // namespace
}  // namespace metatape
