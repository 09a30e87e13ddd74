// What `metatape train` and `eval` promise: their fields, the same bits whatever the run goes
// through, and nothing overwritten.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "tests/support/tolerance.h"
#include "tests/tools/small_run.h"

namespace metatape {
namespace {

TEST(TrainCommand, GivesItsFieldsAndFiles) {
  const SmallRun run;
  const nlohmann::json j = run.result_of(run.train("run", {"train.iterations=10"}));
  EXPECT_EQ(j.at("iterations"), 10);
  EXPECT_GT(j.at("seconds").get<double>(), 0);
  EXPECT_GT(j.at("loss").get<double>(), 0);
  EXPECT_GT(j.at("accuracy").get<double>(), 1);  // percent
  EXPECT_LE(j.at("accuracy").get<double>(), 100);
  EXPECT_EQ(j.at("checkpoint"), "run/checkpoint-0000000010.safetensors");
  EXPECT_EQ(j.at("state_hash").get<std::string>().size(), 64u);
  EXPECT_EQ(run.files_in("run"),
            (std::vector<std::string>{"checkpoint-0000000008.safetensors",
                                      "checkpoint-0000000010.safetensors", "config.json",
                                      "metrics.jsonl", "result.json"}));
  EXPECT_EQ(nlohmann::json::parse(run.read("run/result.json")).at("train").at("state_hash"),
            j.at("state_hash"));
}

TEST(TrainCommand, RunsOnDrawnGlyphsWithoutAnyFile) {
  const Workplace place;
  const nlohmann::json trained =
      place.result_of(Arguments{"train", "--out", "run"} +
                      settings({"train.iterations=3", "model.width=4", "outer.tasks=2"}));
  EXPECT_EQ(trained.at("iterations"), 3);
  const nlohmann::json e = place.result_of({"eval", "--run", "run", "--tasks", "4"});
  EXPECT_EQ(e.at("ways"), 5);
  EXPECT_EQ(e.at("tasks"), 4);
}

TEST(TrainCommand, RunsEveryAlgorithm) {
  const SmallRun run;
  const nlohmann::json listed = run.result_of({"algorithms"}).at("algorithms");
  ASSERT_GE(listed.size(), 4u);
  std::vector<std::string> hashes;
  for (const nlohmann::json& algorithm : listed) {
    const std::string name = algorithm.at("name"), list = algorithm.at("settings");
    std::vector<std::string> words = {"train.iterations=3", "inner.steps=2"};
    std::istringstream in(list);
    for (std::string word; in >> word;) words.push_back(word);
    // Noise under a small network bends the loss both ways: the paper's operator is indefinite
    // there.
    if (name == "imaml") words.insert(words.end(), {"inner.lambda=1e6", "inner.lr=1e-7"});
    hashes.push_back(run.hash_of(run.train(name, words)));
  }
  std::ranges::sort(hashes);
  EXPECT_EQ(std::ranges::adjacent_find(hashes), hashes.end()) << "two of them are the same";
}

// ---- the same bits -----------------------------------------------------------------------------

TEST(Determinism, SameSeedSameHashWithAnyThreads) {
  const SmallRun run;
  auto hash = [&](const std::string& out, const char* threads, const char* seed) {
    return run.hash_of(run.train(out, {"train.iterations=6", seed}) +
                       Arguments{"--threads", threads});
  };
  const std::string first = hash("a", "1", "seed=5");
  EXPECT_EQ(hash("b", "1", "seed=5"), first);
  EXPECT_EQ(hash("c", "1", "seed=5"), first);
  EXPECT_EQ(hash("d", "2", "seed=5"), first);
  EXPECT_NE(hash("e", "1", "seed=6"), first);
  EXPECT_EQ(run.read("a/checkpoint-0000000006.safetensors"),
            run.read("d/checkpoint-0000000006.safetensors"));
  EXPECT_EQ(run.read("a/metrics.jsonl"), run.read("d/metrics.jsonl"));
}

TEST(SlowDeterminism, TenRunsOfAHundredIterationsHaveOneHash) {
  const SmallRun run;
  std::set<std::string> hashes;
  for (int k = 0; k < 10; ++k)
    hashes.insert(run.hash_of(run.train("run" + std::to_string(k), {"train.iterations=100"}) +
                              Arguments{"--threads", k % 2 ? "1" : "2"}));
  EXPECT_EQ(hashes.size(), 1u);
  EXPECT_FALSE(hashes.contains(""));
}

TEST(Determinism, EvaluationIsTheSameWithAnyThreads) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=2"}));
  auto evaluate = [&](const char* threads) {
    return run.result_of({"eval", "--run", "run", "--tasks", "10", "--threads", threads});
  };
  EXPECT_EQ(evaluate("1"), evaluate("2"));
}

/// Long enough that a signal sent after the first checkpoint finds the run at work.
std::vector<std::string> long_run(bool recompute) {
  return {"train.iterations=240", "train.checkpoint_every=20",
          "train.log_every=7",    "train.validate_every=100",
          "eval.tasks=5",         recompute ? "inner.recompute=true" : "inner.recompute=false"};
}

void wait_for_a_checkpoint(const SmallRun& run, const std::string& out) {
  constexpr int kTries = 5000;
  for (int i = 0; i < kTries; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(2))) {
    if (!std::filesystem::exists(run.path(out))) continue;
    for (const std::string& name : run.files_in(out))
      if (name.ends_with(".safetensors")) return;
  }
  FAIL() << "no checkpoint appeared in " << out;
}

void expect_resumed_equals_unbroken(int signal, bool recompute) {
  const SmallRun run;
  const std::string expected = run.hash_of(run.train("whole", long_run(recompute)));
  Process process = run.start(run.train("run", long_run(recompute)) + Arguments{"--json"});
  wait_for_a_checkpoint(run, "run");
  process.send(signal);
  const CommandResult stopped = process.wait();
  if (signal == SIGKILL) {
    ASSERT_EQ(stopped.exit_code, -SIGKILL) << "the run ended before the signal";
  } else {
    ASSERT_EQ(stopped.exit_code, 0) << stopped.errors;
    ASSERT_TRUE(stopped.json().at("stopped")) << "the run ended before the signal";
    EXPECT_NE(stopped.errors.find("--resume"), std::string::npos);
  }
  EXPECT_EQ(run.hash_of(run.resume("run")), expected);
  EXPECT_EQ(run.read("run/metrics.jsonl"), run.read("whole/metrics.jsonl"));
  EXPECT_EQ(run.files_in("run"), run.files_in("whole"));
}

TEST(Determinism, ResumedAfterAStopIsTheUnbrokenRun) {
  expect_resumed_equals_unbroken(SIGTERM, false);
}
TEST(Determinism, ResumedAfterAStopIsTheUnbrokenRunWithRecomputation) {
  expect_resumed_equals_unbroken(SIGTERM, true);
}
TEST(Determinism, ResumedAfterItsTerminalWasClosedIsTheUnbrokenRun) {
  expect_resumed_equals_unbroken(SIGHUP, false);
}
TEST(Determinism, ResumedAfterAKillIsTheUnbrokenRun) {
  expect_resumed_equals_unbroken(SIGKILL, false);
}

TEST(TrainCommand, OneProcessAtATimeTrainsIntoAFolder) {
  const SmallRun run;
  Process first = run.start(run.train("run", {"train.iterations=1000000"}));
  wait_for_a_checkpoint(run, "run");
  expect_failure(run, run.resume("run"), 2, "run] process ");
  expect_failure(run, run.train("run"), 2, "is at work in this folder");
  EXPECT_EQ(run.run({"info", "run"}).exit_code, 0) << "looking is allowed";
  EXPECT_EQ(run.run({"eval", "--run", "run", "--tasks", "2"}).exit_code, 0);
  first.send(SIGKILL);
  first.wait();
  run.result_of(run.resume("run", {"train.iterations=1"}));
  for (const std::string& name : run.files_in("run")) EXPECT_NE(name, ".lock");
}

TEST(TrainCommand, ResumesAFinishedRunWithMoreIterations) {
  const SmallRun run;
  const std::string expected = run.hash_of(run.train("whole", {"train.iterations=9"}));
  run.result_of(run.train("run", {"train.iterations=5"}));
  EXPECT_EQ(run.hash_of(run.resume("run", {"train.iterations=9"})), expected);
}

TEST(TrainCommand, AResumedRunMayTakeLessMemory) {
  const SmallRun run;
  const double expected =
      run.result_of(run.train("whole", {"train.iterations=6"})).at("loss").get<double>();
  for (const char* less : {"inner.recompute=true", "inner.hvp=forward", "outer.chunk=1"}) {
    const std::string out = std::string("run-") + less;
    run.result_of(run.train(out, {"train.iterations=3"}));
    const nlohmann::json j = run.result_of(run.resume(out, {"train.iterations=6", less}));
    EXPECT_NEAR(j.at("loss").get<double>(), expected, tolerance::kSingleGradient * expected)
        << less;
  }
}

TEST(TrainCommand, ResumingNothingStartsARun) {
  const SmallRun run;
  const nlohmann::json j =
      run.result_of(run.train("run", {"train.iterations=2"}) + Arguments{"--resume"});
  EXPECT_EQ(j.at("iterations"), 2);
}

// ---- evaluation --------------------------------------------------------------------------------

TEST(EvalCommand, GivesItsFields) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=5", "eval.tasks=12"}));
  const nlohmann::json j = run.result_of({"eval", "--run", "run"});
  EXPECT_GE(j.at("accuracy").get<double>(), 0);
  EXPECT_LE(j.at("accuracy").get<double>(), 100);
  EXPECT_GT(j.at("ci95").get<double>(), 0);
  EXPECT_EQ(j.at("tasks"), 12);
  EXPECT_EQ(j.at("ways"), 3);
  EXPECT_EQ(j.at("shots"), 1);
  EXPECT_EQ(j.at("queries"), 2);
  EXPECT_EQ(j.at("protocol"), "transductive");
  EXPECT_EQ(j.at("split"), "test");
  EXPECT_EQ(j.at("episodes_hash").get<std::string>().size(), 64u);
}

TEST(EvalCommand, FollowsSeedSplitAndSettings) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=2"}));
  auto hash = [&](const Arguments& more) {
    return run.result_of(Arguments{"eval", "--run", "run", "--tasks", "5"} + more)
        .at("episodes_hash");
  };
  const auto base = hash({});
  EXPECT_EQ(hash({"--seed", "0"}), base);
  EXPECT_NE(hash({"--seed", "1"}), base);
  EXPECT_NE(hash({"--split", "train"}), base);
  EXPECT_NE(hash({"--set", "eval.queries=3"}), base);
  EXPECT_EQ(hash({"--set", "inner.test_steps=1"}), base);
}

}  // namespace
}  // namespace metatape
