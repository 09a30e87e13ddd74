// What is wrong is named with its remedy and the documented exit code, and nothing is lost or
// half-written.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <functional>

#include "engine/io/safetensors.h"
#include "tests/tools/small_run.h"

namespace metatape {
namespace {

constexpr int kUsage = 2, kFile = 3, kNumerical = 4, kDevice = 5, kMemory = 6;

void expect_no_temporaries(const Workplace& place, const std::string& folder) {
  for (const std::string& name : place.files_in(folder))
    EXPECT_EQ(name.find(".partial-"), std::string::npos) << name;
}

std::int64_t bytes_of(const Workplace& place, const std::string& file) {
  return std::int64_t(std::filesystem::file_size(place.path(file)));
}

void change(const Workplace& place, const std::string& file,
            const std::function<void(std::string&)>& edit) {
  std::string content = place.read(file);
  edit(content);
  write_text(place.path(file), content);
}

// ---- usage -------------------------------------------------------------------------------------

TEST(BadInput, UnknownCommandsAndOptionsAreWrongUsage) {
  const Workplace place;
  for (const Arguments& arguments : {Arguments{},
                                     {"trian"},
                                     {"train"},
                                     {"train", "--out", "run", "--iterations", "3"},
                                     {"eval"},
                                     {"step"},
                                     {"pack"},
                                     {"train", "--out", "run", "--threads", "many"},
                                     {"step", "--dump", "a.safetensors", "--dtype", "f16"}}) {
    const CommandResult r = place.run(arguments);
    EXPECT_EQ(r.exit_code, kUsage) << r.errors;
    EXPECT_FALSE(r.errors.empty());
    EXPECT_TRUE(r.output.empty()) << r.output;
    EXPECT_EQ(place.run(arguments + Arguments{"--json"}).json().at("exit_code"), kUsage);
  }
  EXPECT_TRUE(place.files_in("").empty());
}

TEST(BadInput, UnknownKeyNamesTheNearest) {
  const SmallRun run;
  expect_failure(run, run.train("run", {"inner.step=2"}), kUsage, "did you mean inner.steps?");
  EXPECT_FALSE(std::filesystem::exists(run.path("run")));
}

TEST(BadInput, UnknownRecipeNamesTheNearest) {
  const Workplace place;
  expect_failure(place, {"plan", "--recipe", "omniglot-5w1s"}, kUsage, "did you mean omniglot-5w");
}

TEST(BadInput, ExistingRunIsNotOverwritten) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=2"}));
  const std::string config = run.read("run/config.json");
  const std::vector<std::string> files = run.files_in("run");
  expect_failure(run, run.train("run", {"train.iterations=3"}), kUsage,
                 "continue it with --resume or choose another --out");
  EXPECT_EQ(run.read("run/config.json"), config);
  EXPECT_EQ(run.files_in("run"), files);
}

TEST(BadInput, ResumedRunKeepsItsSettings) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=2"}));
  expect_failure(run, run.resume("run", {"inner.lr=0.1"}), kUsage,
                 "[inner.lr] a resumed run cannot change it");
  expect_failure(run, run.resume("run") + Arguments{"--recipe", "omniglot-5w1s-maml"}, kUsage,
                 "was started with glyphs-5w1s-maml");
}

TEST(BadInput, DeviceThatThisBuildLacksIsADeviceFailure) {
  const SmallRun run;
  for (const Arguments& arguments :
       {run.train("run"), {"plan"}, {"eval", "--run", "run"}, {"step", "--dump", "a.safetensors"}})
    expect_failure(run, arguments + Arguments{"--device", "cuda"}, kDevice, "expected cpu");
  expect_failure(run, {"plan", "--device", "gpu"}, kUsage, "found gpu, expected cpu or cuda");
  EXPECT_EQ(run.files_in(""), std::vector<std::string>{"small.mtd"});
}

TEST(BadInput, TooLittleMemoryNamesSettingsThatFit) {
  const SmallRun run;
  // O-AMFS reads the gradients of all tasks at once: they cannot run in chunks.
  const std::vector<std::string> large = {"model.width=32", "train.max_memory=1",
                                          "outer.combine=similarity", "train.iterations=1"};
  expect_failure(run, run.train("run", large), kMemory, "train.max_memory is 1 MiB");
  const CommandResult r = run.run(run.train("run", large));
  EXPECT_NE(r.errors.find("use outer.tasks="), std::string::npos) << r.errors;
  EXPECT_NE(r.errors.find("model.width"), std::string::npos) << r.errors;
  // The refused run does not stand in the way of one that fits, in chunks.
  const Arguments fitting = run.train(
      "run", {"model.width=16", "train.max_memory=1", "outer.tasks=16", "train.iterations=1"});
  const CommandResult chunked = run.run(fitting);
  EXPECT_EQ(chunked.exit_code, 0) << chunked.errors;
  EXPECT_NE(chunked.errors.find("outer.chunk="), std::string::npos) << chunked.errors;
}

// ---- data --------------------------------------------------------------------------------------

TEST(BadInput, DamagedDataSetIsNamed) {
  const SmallRun run;
  const std::string whole = run.read("small.mtd");
  auto expect_refused = [&](const std::string& fragment,
                            const std::function<void(std::string&)>& edit) {
    change(run, "small.mtd", edit);
    expect_failure(run, run.train("run"), kFile, fragment);
    expect_failure(run, run.train("run"), kFile, "[small.mtd]");
    expect_failure(run, {"info", "small.mtd"}, kFile, fragment);
    write_text(run.path("small.mtd"), whole);
  };
  expect_refused("is truncated", [](std::string& s) { s.resize(s.size() - 1); });
  expect_refused("is truncated", [](std::string& s) { s.resize(50); });
  expect_refused("is not a packed data set", [](std::string& s) { s[1] = 'X'; });
  expect_refused("is not a packed data set (it is empty)", [](std::string& s) { s.clear(); });
  expect_refused("the image payload is damaged: SHA-256",
                 [](std::string& s) { s.back() = char(s.back() ^ 1); });
  expect_refused("damaged: SHA-256", [](std::string& s) { s[120] = char(s[120] ^ 1); });
  EXPECT_FALSE(std::filesystem::exists(run.path("run")));
  run.result_of(run.train("run", {"train.iterations=1"}));  // and the whole file is accepted
}

TEST(BadInput, MissingDataIsNamed) {
  const Workplace place;
  expect_failure(place, {"train", "--out", "run", "--data", "none.mtd"}, kFile, "none.mtd");
  expect_failure(place, {"train", "--out", "run", "--recipe", "omniglot-5w1s-maml"}, kUsage,
                 "metatape pack omniglot");
  EXPECT_TRUE(place.files_in("").empty());
}

TEST(BadInput, PathsThatCannotBeLookedAtAreNamed) {
  const SmallRun run;
  const std::string path(300, 'n');  // a name has at most 255 bytes
  const std::vector<Arguments> commands = {
      {"info", path},
      {"plan", "--recipe", path},
      {"plan", "--data", path},
      {"eval", "--run", path},
      {"predict", "--run", path, "--support", ".", "--query", "."},
      {"report", path, "--out", "page"},
      {"train", "--out", path, "--resume"},
      {"pack", "images", "--in", path, "--out", "set.mtd"},
      {"pack", "omniglot", "--in", path, path, "--out", "set.mtd"}};
  for (const Arguments& command : commands) expect_failure(run, command, kFile, "name too long");
}

TEST(BadInput, TasksThatTheDataCannotGiveAreRefused) {
  const SmallRun run;
  expect_failure(
      run, run.train("run", {"task.ways=9"}), kUsage,
      "9-way tasks need 9 classes, part 'train' of split 'small' has 8; lower task.ways");
  expect_failure(run, run.train("run", {"task.shots=4", "task.queries=3"}), kUsage,
                 "class 'class0' has 6 images, 4 shots and 3 queries need more; lower task.shots");
  const std::vector<std::string> validated = {"train.validate_every=1", "eval.shots=6"};
  expect_failure(run, run.train("run", validated), kUsage,
                 "class 'class8' has 6 images, 6 shots and 2 queries need more; lower eval.shots");
  expect_failure(run, run.train("run", {"data.split=big"}), kUsage, "it has: small");
  EXPECT_FALSE(std::filesystem::exists(run.path("run")));
}

TEST(BadInput, TruncatedZipIsNamedAndLeavesNothing) {
  const Workplace place;
  write_text(place.path("images.zip"), std::string("PK\x03\x04", 4) + std::string(500, 'x'));
  expect_failure(place, {"pack", "images", "--in", "images.zip", "--out", "set.mtd"}, kFile,
                 "[images.zip] is a truncated zip");
  expect_failure(place, {"pack", "omniglot", "--in", "images.zip", "--out", "set.mtd"}, kFile,
                 "[images.zip] is a truncated zip");
  EXPECT_EQ(place.files_in(""), std::vector<std::string>{"images.zip"});
}

TEST(BadInput, ResumedRunRefusesOtherData) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=2"}));
  run.result_of({"pack", "glyphs", "--out", "glyphs.mtd"});
  expect_failure(run, run.resume("run") + Arguments{"--data", "glyphs.mtd"}, kFile,
                 "the run was started with");
}

// ---- runs --------------------------------------------------------------------------------------

TEST(BadInput, LossThatIsNotFiniteLeavesTheStateBeforeIt) {
  const SmallRun run;
  const std::vector<std::string> diverging = {"train.iterations=9", "inner.lr=1e38",
                                              "inner.steps=2"};
  expect_failure(run, run.train("run", diverging), kNumerical, "# ");
  const CommandResult again = run.run(run.train("other", diverging));
  EXPECT_NE(again.errors.find("first not finite: %"), std::string::npos) << again.errors;
  EXPECT_NE(again.errors.find("inner/"), std::string::npos) << again.errors;
  EXPECT_NE(again.errors.find("try a smaller inner.lr or outer.lr"), std::string::npos);
  const std::string saved = run.result_of({"info", "run"}).at("checkpoint");
  ASSERT_NE(again.errors.find(saved.substr(saved.find('/'))), std::string::npos) << saved;
  const SafetensorsFile file(run.path(saved));
  for (float w : file.values<float>("theta/conv1.weight")) ASSERT_TRUE(std::isfinite(w));
}

TEST(BadInput, FullDiskKeepsTheRunAndItsLastCheckpoint) {
  const SmallRun run;
  const std::string expected = run.hash_of(run.train("whole", {"train.iterations=8"}));
  run.result_of(run.train("run", {"train.iterations=4"}));
  const std::string checkpoint = "run/checkpoint-0000000004.safetensors";
  const std::string before = run.read(checkpoint), metrics = run.read("run/metrics.jsonl");
  const std::int64_t limit = bytes_of(run, "run/config.json") + 1000;  // less than a checkpoint
  expect_failure(run, run.resume("run", {"train.iterations=8"}), kFile,
                 "checkpoint-0000000008.safetensors] cannot write", {.file_size_limit = limit});
  EXPECT_EQ(run.read(checkpoint), before);
  expect_no_temporaries(run, "run");
  EXPECT_EQ(run.hash_of(run.resume("run", {"train.iterations=8"})), expected);
  EXPECT_EQ(run.read("run/metrics.jsonl"), run.read("whole/metrics.jsonl"));
  EXPECT_EQ(run.read("run/metrics.jsonl").substr(0, metrics.size()), metrics);
}

/// Runs the command with one of its streams on a disk that is full.
int exit_code_on_a_full_disk(const Workplace& place, const char* stream, const Arguments& words) {
  std::string line = "cd '" + place.path("").string() + "' && '" MT_COMMAND "'";
  for (const std::string& word : words) line += " '" + word + "'";
  const int status = std::system((line + " " + stream + "/dev/full").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(BadInput, ResultThatCannotBeWrittenIsAFailure) {
  const SmallRun run;
  EXPECT_EQ(exit_code_on_a_full_disk(run, ">", {"info", "small.mtd"}), kFile);
  EXPECT_EQ(exit_code_on_a_full_disk(run, ">", {"info", "small.mtd", "--json"}), kFile);
  EXPECT_EQ(exit_code_on_a_full_disk(run, ">", {"info", "missing.mtd", "--json"}), kFile);
}

TEST(BadInput, ProgressThatCannotBeWrittenDoesNotEndARun) {
  const SmallRun run;
  const Arguments train = run.train("run", {"train.iterations=4"});
  EXPECT_EQ(exit_code_on_a_full_disk(run, "2>", train), 0);
  EXPECT_TRUE(std::filesystem::exists(run.path("run/checkpoint-0000000004.safetensors")));
}

TEST(BadInput, FullDiskLeavesNoHalfDataSet) {
  const Workplace place;
  expect_failure(place, {"pack", "glyphs", "--out", "glyphs.mtd"}, kFile, "raise it (ulimit -f)",
                 {.file_size_limit = 100'000});
  EXPECT_TRUE(place.files_in("").empty());
}

TEST(BadInput, FullDiskLeavesNoHalfLineOfMetrics) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=1", "train.log_every=1"}));
  const std::int64_t limit = bytes_of(run, "run/config.json") + 500;
  const std::int64_t iterations = limit / bytes_of(run, "run/metrics.jsonl") + 20;  // a line each
  const std::vector<std::string> more = {fmt::format("train.iterations={}", iterations),
                                         "train.checkpoint_every=100000"};
  expect_failure(run, run.resume("run", more), kFile, "metrics.jsonl] cannot append",
                 {.file_size_limit = limit});
  const std::string metrics = run.read("run/metrics.jsonl");
  EXPECT_GT(std::int64_t(metrics.size()), limit - 200);
  EXPECT_TRUE(metrics.ends_with("}\n")) << metrics.substr(metrics.size() - 100);
}

TEST(BadInput, CheckpointOfAnotherModelIsRefused) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=2"}));
  run.result_of(run.train("wider", {"train.iterations=2", "model.width=5"}));
  const std::string name = "/checkpoint-0000000002.safetensors";
  std::filesystem::copy_file(run.path("wider" + name), run.path("run" + name),
                             std::filesystem::copy_options::overwrite_existing);
  const std::string planted = run.read("run" + name);
  const std::string fragment = "the checkpoint is of another model";
  expect_failure(run, run.resume("run", {"train.iterations=4"}), kFile, fragment);
  expect_failure(run, {"eval", "--run", "run"}, kFile, fragment);
  EXPECT_EQ(run.read("run" + name), planted);
}

TEST(BadInput, DamagedRunIsNamed) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=2"}));
  const std::string checkpoint = "run/checkpoint-0000000002.safetensors";
  change(run, checkpoint, [](std::string& s) { s.resize(s.size() - 100); });
  expect_failure(run, run.resume("run"), kFile, checkpoint);
  expect_failure(run, {"eval", "--run", "run"}, kFile, checkpoint);
  expect_failure(run, {"eval", "--run", "nothing"}, kFile, "expected the folder of a metatape run");
  change(run, "run/config.json", [](std::string& s) { s.resize(s.size() / 2); });
  expect_failure(run, {"eval", "--run", "run"}, kFile, "run/config.json");
}

TEST(BadInput, RunWithoutACheckpointSaysHowToGoOn) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=1"}));
  std::filesystem::remove(run.path("run/checkpoint-0000000001.safetensors"));
  expect_failure(run, {"eval", "--run", "run"}, kFile, "metatape train --out run --resume");
}

TEST(BadInput, DumpThatCannotBeWrittenLeavesNothing) {
  const SmallRun run;
  expect_failure(run, Arguments{"step", "--dump", "none/step.safetensors"} + small_settings(),
                 kFile, "its folder does not exist");
  expect_failure(run, Arguments{"step", "--dump", "step.safetensors"} + small_settings(), kFile,
                 "raise it (ulimit -f)", {.file_size_limit = 1000});
  EXPECT_EQ(run.files_in(""), std::vector<std::string>{"small.mtd"});
}

}  // namespace
}  // namespace metatape
