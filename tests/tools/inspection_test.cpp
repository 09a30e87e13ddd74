// plan, step, info and the lists.

#include <gtest/gtest.h>

#include "engine/io/safetensors.h"
#include "tests/support/tolerance.h"
#include "tests/tools/small_run.h"

namespace metatape {
namespace {

/// The planner may need so much more than the bytes that are alive at once.
constexpr double kMostArenaOverBound = 1.05;

TEST(PlanCommand, GivesItsFieldsForEveryOmniglotCell) {
  const Workplace place;
  for (const char* cell : {"5w1s", "5w5s", "20w1s", "20w5s"}) {
    SCOPED_TRACE(cell);
    const nlohmann::json j =
        place.result_of({"plan", "--recipe", "omniglot-" + std::string(cell) + "-maml"});
    EXPECT_GT(j.at("instructions").get<int>(), 100);
    EXPECT_GT(j.at("flops").get<double>(), 1e9);
    EXPECT_GT(j.at("resident_bytes").get<std::int64_t>(), 1'000'000);
    const auto arena = j.at("arena_bytes").get<double>();
    const auto bound = j.at("live_bound_bytes").get<double>();
    EXPECT_GE(arena, bound);
    EXPECT_LE(arena, kMostArenaOverBound * bound);
    EXPECT_EQ(j.at("parameters"), std::string(cell).starts_with("20") ? 112980 : 112005);
  }
  EXPECT_TRUE(place.files_in("").empty());
}

TEST(PlanCommand, RecomputationNeedsLessMemoryAndMoreArithmetic) {
  const Workplace place;
  auto plan = [&](const char* recompute) {
    return place.result_of(Arguments{"plan", "--recipe", "omniglot-20w1s-maml"} +
                           settings({std::string("inner.recompute=") + recompute}));
  };
  const nlohmann::json kept = plan("false"), again = plan("true");
  EXPECT_LT(again.at("arena_bytes").get<double>(), kept.at("arena_bytes").get<double>());
  EXPECT_GT(again.at("flops").get<double>(), kept.at("flops").get<double>());
}

TEST(PlanCommand, SaysWhatFittingAMemoryLimitCosts) {
  const Workplace place;
  const Arguments plan{"plan", "--json", "--recipe", "omniglot-5w1s-imaml"};
  const double needed = place.result_of(plan).at("arena_bytes").get<double>();
  const std::string limit = std::to_string(std::int64_t(needed / 2) >> 20);
  const CommandResult r = place.run(plan + settings({"train.max_memory=" + limit}));
  EXPECT_EQ(r.exit_code, 0);
  EXPECT_NE(r.errors.find("train.max_memory=" + limit + ": "), std::string::npos) << r.errors;
  EXPECT_NE(r.errors.find("% bytes read and written"), std::string::npos) << r.errors;
  EXPECT_LE(r.json().at("arena_bytes").get<double>(), needed / 2);
}

TEST(PlanCommand, ListsTheProgramForPeople) {
  const SmallRun run;
  const CommandResult r = run.run(Arguments{"plan", "--listing", "--json"} + small_settings());
  EXPECT_NE(r.errors.find("conv2d("), std::string::npos);
  EXPECT_NE(r.errors.find("# inner/0"), std::string::npos);
  EXPECT_GT(r.json().at("arena_bytes").get<int>(), 0);
}

// ---- step --------------------------------------------------------------------------------------

using Extents = std::vector<std::int64_t>;

TEST(StepCommand, DumpsEveryInputLossAndGradient) {
  const SmallRun run;
  const nlohmann::json j = run.result_of(
      Arguments{"step", "--dump", "step.safetensors", "--dtype", "f64"} + small_settings());
  EXPECT_EQ(j.at("file"), "step.safetensors");
  const SafetensorsFile file(run.path("step.safetensors"));
  const std::map<std::string, Extents> parameters = {
      {"conv1.weight", {4, 1, 3, 3}}, {"bn1.weight", {4}}, {"bn1.bias", {4}},
      {"conv2.weight", {4, 4, 3, 3}}, {"bn2.weight", {4}}, {"bn2.bias", {4}},
      {"conv3.weight", {4, 4, 3, 3}}, {"bn3.weight", {4}}, {"bn3.bias", {4}},
      {"conv4.weight", {4, 4, 3, 3}}, {"bn4.weight", {4}}, {"bn4.bias", {4}},
      {"head.weight", {3, 4}},        {"head.bias", {3}}};
  std::map<std::string, Extents> expected = {{"support_x", {3, 3, 1, 12, 12}},
                                             {"query_x", {3, 6, 1, 12, 12}},
                                             {"support_y", {3, 3}},
                                             {"query_y", {3, 6}},
                                             {"loss", {3}}};
  for (const auto& [name, shape] : parameters) {
    expected["theta/" + name] = expected["meta_grad/" + name] = shape;
    Extents with_tasks = shape;
    with_tasks.insert(with_tasks.begin(), 3);
    expected["task_grad/" + name] = with_tasks;
  }
  std::map<std::string, Extents> found;
  for (const std::string& name : file.names()) {
    found[name] = file.at(name).shape;
    EXPECT_EQ(file.at(name).dtype, name.ends_with("_y") ? FileDType::i32 : FileDType::f64) << name;
  }
  EXPECT_EQ(found, expected);
  const auto settings = nlohmann::json::parse(file.metadata().at("settings"));
  EXPECT_EQ(settings.at("task").at("ways"), 3);
  EXPECT_EQ(settings.at("train").at("precision"), "fp64");
}

TEST(StepCommand, DumpsChannelsBeforeHeightAndWidth) {
  const SmallRun run;
  write_small_set(run.path("small.mtd"), 3);
  run.result_of(Arguments{"step", "--dump", "step.safetensors"} + small_settings());
  const SafetensorsFile file(run.path("step.safetensors"));
  EXPECT_EQ(file.at("theta/conv1.weight").shape, (Extents{4, 3, 3, 3}));
  ASSERT_EQ(file.at("query_x").shape, (Extents{3, 6, 3, 12, 12}));
  const auto x = file.values<float>("query_x");
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t channel = i / (12 * 12) % 3;
    ASSERT_TRUE(channel == 0 || x[i] == float(51 * channel) / 255) << "element " << i;
  }
}

TEST(StepCommand, MetaGradientIsTheMeanOverTasks) {
  const SmallRun run;
  run.result_of(Arguments{"step", "--dump", "step.safetensors", "--dtype", "f64"} +
                small_settings());
  const SafetensorsFile file(run.path("step.safetensors"));
  const auto tasks = file.values<double>("task_grad/conv2.weight");
  const auto meta = file.values<double>("meta_grad/conv2.weight");
  ASSERT_EQ(tasks.size(), 3 * meta.size());
  double largest = 0;
  for (double g : meta) largest = std::max(largest, std::abs(g));
  ASSERT_GT(largest, 0);
  for (std::size_t i = 0; i < meta.size(); ++i) {
    const double mean = (tasks[i] + tasks[i + meta.size()] + tasks[i + 2 * meta.size()]) / 3;
    EXPECT_NEAR(meta[i], mean, tolerance::kExactForms * largest);
  }
}

TEST(StepCommand, SinglePrecisionAgreesWithDouble) {
  const SmallRun run;
  for (const char* dtype : {"f32", "f64"})
    run.result_of(
        Arguments{"step", "--dump", std::string(dtype) + ".safetensors", "--dtype", dtype} +
        small_settings());
  const SafetensorsFile single(run.path("f32.safetensors")), twice(run.path("f64.safetensors"));
  const auto theta = single.values<float>("theta/conv1.weight");
  const auto theta64 = twice.values<double>("theta/conv1.weight");
  EXPECT_TRUE(std::ranges::equal(theta, theta64));
  const auto loss = single.values<float>("loss");
  const auto loss64 = twice.values<double>("loss");
  for (std::size_t t = 0; t < loss.size(); ++t)
    EXPECT_NEAR(loss[t], loss64[t], tolerance::kSingleGradient * loss64[t]);
}

// ---- info and lists ----------------------------------------------------------------------------

TEST(InfoCommand, DescribesDataRunsAndCheckpoints) {
  const SmallRun run;
  run.result_of(run.train("run", {"train.iterations=2"}));
  const nlohmann::json data = run.result_of({"info", "small.mtd"});
  EXPECT_EQ(data.at("kind"), "data");
  EXPECT_EQ(data.at("classes"), 21);
  EXPECT_EQ(data.at("images"), 126);
  EXPECT_EQ(data.at("splits").at("small").at("train"), 8);
  EXPECT_EQ(data.at("splits").at("small").at("test"), 7);
  EXPECT_EQ(data.at("sha256").get<std::string>().size(), 64u);

  const nlohmann::json folder = run.result_of({"info", "run"});
  EXPECT_EQ(folder.at("kind"), "run");
  EXPECT_EQ(folder.at("settings").at("task").at("ways"), 3);
  EXPECT_EQ(folder.at("checkpoint"), "run/checkpoint-0000000002.safetensors");

  const nlohmann::json file = run.result_of({"info", folder.at("checkpoint")});
  EXPECT_EQ(file.at("kind"), "tensors");
  EXPECT_EQ(file.at("tensors").at("theta/conv1.weight").at("shape"), (Extents{4, 1, 3, 3}));
  EXPECT_EQ(file.at("tensors").at("theta/conv1.weight").at("dtype"), "F32");
  EXPECT_EQ(file.at("metadata").at("iteration"), "2");
  std::filesystem::copy_file(run.path(folder.at("checkpoint")), run.path("weights"));
  EXPECT_EQ(run.result_of({"info", "weights"}), file) << "whatever its name";
}

TEST(Lists, HoldWhatCanBeRun) {
  const Workplace place;
  const nlohmann::json recipes = place.result_of({"recipes"}).at("recipes");
  EXPECT_GE(recipes.size(), 18u);
  int published = 0;
  for (const nlohmann::json& recipe : recipes) {
    EXPECT_TRUE(recipe.at("settings").is_object());
    published += recipe.at("published").is_object();
  }
  EXPECT_GE(published, 8);
  const nlohmann::json listed = place.result_of({"algorithms"});
  const nlohmann::json& algorithms = listed.at("algorithms");
  for (const char* name : {"maml", "fomaml", "anil", "boil"})
    EXPECT_TRUE(std::ranges::any_of(algorithms, [&](const auto& a) {
      return a.at("name") == name && !a.at("equation").empty() && !a.at("source").empty();
    })) << name;
  const nlohmann::json& parts = listed.at("parts");
  EXPECT_TRUE(std::ranges::any_of(parts, [&](const auto& part) {
    return part.at("settings") == "inner.solver=rbf_ridge" && part.at("status") == "a reading";
  }));
  EXPECT_TRUE(std::ranges::any_of(parts, [&](const auto& part) {
    return part.at("settings") == "outer.combine=mean" && part.at("status") == "as in the source";
  }));
  const nlohmann::json settings = place.result_of({"settings"}).at("settings");
  EXPECT_TRUE(std::ranges::any_of(settings, [](const auto& s) {
    return s.at("key") == "inner.lr" && !s.at("meaning").empty() && !s.at("values").empty();
  }));
}

TEST(Lists, SpeakToPeopleWithoutJson) {
  const Workplace place;
  const CommandResult recipes = place.run({"recipes"}), help = place.run({"--help"});
  EXPECT_EQ(recipes.exit_code, 0);
  EXPECT_NE(recipes.output.find("98.7 +- 0.4 % (Finn"), std::string::npos);
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_NE(help.output.find("meta-train a model"), std::string::npos);
  EXPECT_EQ(place.run({"--version"}).output.find("metatape "), 0u);
}

TEST(PackCommand, WritesTheGlyphs) {
  const Workplace place;
  const nlohmann::json j = place.result_of({"pack", "glyphs", "--out", "glyphs.mtd"});
  EXPECT_EQ(j.at("classes"), 400);
  EXPECT_EQ(j.at("images"), 8000);
  EXPECT_EQ(place.result_of({"info", "glyphs.mtd"}).at("sha256"), j.at("sha256"));
  EXPECT_EQ(std::int64_t(std::filesystem::file_size(place.path("glyphs.mtd"))), j.at("bytes"));
}

}  // namespace
}  // namespace metatape
