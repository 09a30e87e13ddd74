#include "meta/training/run_folder.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

Config some_config() {
  Config config;
  config.inner.lr = 0.3;
  config.data.split = "vinyals";
  config.seed = 77;
  return config;
}

const Provenance kProvenance{
    .recipe = "mine", .version = "0.1", .data_path = "a.mtd", .data_sha256 = "0a"};

void expect_provenance(const RunFolder& run) {
  EXPECT_EQ(run.provenance().recipe, kProvenance.recipe);
  EXPECT_EQ(run.provenance().version, kProvenance.version);
  EXPECT_EQ(run.provenance().data_path, kProvenance.data_path);
  EXPECT_EQ(run.provenance().data_sha256, kProvenance.data_sha256);
}

Checkpoint checkpoint_of(double value) {
  Checkpoint c;
  c.state["theta/w"] = Tensor::of<double>({2}, DType::f32, std::vector<double>{value, -value});
  return c;
}

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

TEST(RunFolder, KeepsConfigAndProvenance) {
  TemporaryFolder temporary;
  const fs::path path = temporary / "deep" / "run";
  EXPECT_FALSE(RunFolder::exists(path));
  RunFolder::create(path, some_config(), kProvenance);
  EXPECT_TRUE(RunFolder::exists(path));
  const RunFolder run = RunFolder::open(path);
  EXPECT_EQ(to_json(run.config()), to_json(some_config()));
  expect_provenance(run);
  EXPECT_FALSE(run.latest_checkpoint());
  EXPECT_EQ(run.metrics_bytes(), 0);
}

TEST(RunFolder, RefusesToOverwriteARun) {
  TemporaryFolder folder;
  RunFolder::create(folder / "run", some_config(), {});
  const std::string before = read_text(folder / "run" / "config.json");
  expect_error(ErrorKind::usage, "continue it with --resume or choose another --out",
               [&] { RunFolder::create(folder / "run", Config{}, {}); });
  EXPECT_EQ(read_text(folder / "run" / "config.json"), before);
}

TEST(RunFolder, CanBeGivenOtherSettings) {
  TemporaryFolder folder;
  RunFolder run = RunFolder::create(folder / "run", some_config(), kProvenance);
  Config longer = some_config();
  longer.train.iterations = 123;
  run.set_config(longer);
  const RunFolder again = RunFolder::open(folder / "run");
  EXPECT_EQ(again.config().train.iterations, 123);
  expect_provenance(again);
}

TEST(RunFolder, SaysWhyItCannotBeCreated) {
  TemporaryFolder folder;
  write_text(folder / "file", "");
  expect_error(ErrorKind::io, "cannot create the folder",
               [&] { RunFolder::create(folder / "file" / "run", Config{}, {}); });
}

TEST(RunFolder, SaysWhatIsWrongWithItsConfig) {
  TemporaryFolder folder;
  auto open = [&] { RunFolder::open(folder.path()); };
  expect_error(ErrorKind::io, "expected the folder of a metatape run", open);
  write_text(folder / "config.json", "{\"settings\": {\"seed\"");
  expect_error(ErrorKind::io, "config.json", open);
  write_text(folder / "config.json", "{\"setings\": {}}");
  expect_error(ErrorKind::io, "it has no \"settings\"", open);
  write_text(folder / "config.json", "{\"settings\": {\"sed\": 1}}");
  expect_error(ErrorKind::io, "did you mean seed?", open);
}

TEST(RunFolder, KeepsTheLastTwoCheckpoints) {
  TemporaryFolder folder;
  RunFolder run = RunFolder::create(folder / "run", Config{}, {});
  for (std::int64_t iteration : {9, 10, 11, 1000}) {
    const fs::path file = run.save(iteration, checkpoint_of(double(iteration)), {});
    EXPECT_EQ(run.latest_checkpoint(), file);
  }
  EXPECT_EQ(files_in(folder / "run"),
            (std::vector<std::string>{"checkpoint-0000000011.safetensors",
                                      "checkpoint-0000001000.safetensors", "config.json"}));
  EXPECT_EQ(load_checkpoint(*run.latest_checkpoint(), {}).state, checkpoint_of(1000).state);
}

TEST(RunFolder, AppendsAndForgetsMetrics) {
  TemporaryFolder folder;
  RunFolder run = RunFolder::create(folder / "run", Config{}, {});
  run.append_metrics({{"iteration", 1}});
  const std::int64_t first = run.metrics_bytes();
  run.append_metrics({{"iteration", 2}});
  const fs::path file = folder / "run" / "metrics.jsonl";
  EXPECT_EQ(read_text(file), "{\"iteration\":1}\n{\"iteration\":2}\n");
  EXPECT_EQ(run.metrics_bytes(), std::int64_t(fs::file_size(file)));
  run.truncate_metrics(first);
  EXPECT_EQ(read_text(file), "{\"iteration\":1}\n");
  run.truncate_metrics(1000);  // shorter already
  EXPECT_EQ(run.metrics_bytes(), first);
}

TEST(RunFolder, NamesMetricsThatCannotBeWritten) {
  TemporaryFolder folder;
  RunFolder run = RunFolder::create(folder / "run", Config{}, {});
  fs::create_directory(folder / "run" / "metrics.jsonl");
  expect_error(ErrorKind::io, "metrics.jsonl] is a link, a folder, a pipe or a device", [&] {
    run.append_metrics(json::array({1, 2}));
  });
}

TEST(RunFolder, WritesToNoFileBehindALink) {
  TemporaryFolder folder;
  RunFolder run = RunFolder::create(folder / "run", Config{}, {});
  write_text(folder / "thesis", "three years of work");
  fs::create_symlink(folder / "thesis", folder / "run" / "metrics.jsonl");
  expect_error(ErrorKind::io, "is a link", [&] { run.append_metrics(json{{"loss", 1}}); });
  expect_error(ErrorKind::io, "is a link", [&] { run.truncate_metrics(0); });
  EXPECT_EQ(read_text(folder / "thesis"), "three years of work");
}

TEST(RunFolder, ClearsWhatAKilledProcessLeft) {
  TemporaryFolder folder;
  RunFolder::create(folder / "run", Config{}, {});
  write_text(folder / "run" / "checkpoint-0000000009.safetensors.partial-7-0", "half");
  const RunFolder run = RunFolder::open(folder / "run");
  EXPECT_EQ(files_in(folder / "run"), std::vector<std::string>{"config.json"});
  EXPECT_FALSE(run.latest_checkpoint());
}

TEST(RunFolder, WritesTheResult) {
  TemporaryFolder folder;
  RunFolder run = RunFolder::create(folder / "run", Config{}, {});
  run.write_result({{"loss", 0.5}});
  EXPECT_EQ(json::parse(read_text(folder / "run" / "result.json")), json({{"loss", 0.5}}));
}

TEST(RunFolder, KeepsEvaluationsThatEndAtOnce) {
  constexpr int kProcesses = 4, kEach = 20;
  TemporaryFolder folder;
  RunFolder run = RunFolder::create(folder / "run", Config{}, {});
  for (int process = 0; process < kProcesses; ++process) {
    if (::fork() != 0) continue;
    for (int i = 0; i < kEach; ++i)
      run.add_evaluation(fmt::format("{}-{}", process, i), json{{"loss", 0.5}});
    ::_exit(0);
  }
  for (int process = 0; process < kProcesses; ++process) ::wait(nullptr);
  EXPECT_EQ(run.result()["eval"].size(), std::size_t(kProcesses * kEach));
}

}  // namespace
}  // namespace metatape
