// Combinations of settings that nobody thought of: each runs, and can be planned, evaluated and
// resumed, or is refused before anything is written.

#include <gtest/gtest.h>

#include <random>

#include "tests/tools/small_run.h"

namespace metatape {
namespace {

constexpr int kDone = 0, kUsage = 2, kNumerical = 4;

class RandomSettings {
 public:
  RandomSettings(const Workplace& place, unsigned seed) : random_(seed) {
    const nlohmann::json settings = place.result_of({"settings"});
    const nlohmann::json recipes = place.result_of({"recipes"});
    for (const nlohmann::json& setting : settings.at("settings")) {
      const std::string key = setting.at("key");
      if (!is_of_the_workplace(key)) settings_.emplace_back(key, setting.at("values"));
    }
    for (const nlohmann::json& recipe : recipes.at("recipes"))
      recipes_.push_back(recipe.at("name"));
  }

  /// Any recipe, brought to the small set, with up to four changes.
  Arguments next() {
    Arguments arguments = {"--recipe", one_of(recipes_), "--data", "small.mtd"};
    arguments =
        std::move(arguments) +
        metatape::settings({"task.kind=images", "task.ways=3", "task.shots=1", "task.queries=2",
                            "model.width=4", "outer.tasks=3", "data.split=", "eval.shots=0",
                            "eval.queries=0", "train.iterations=2", "train.validate_every=0"});
    const std::size_t changes = 1 + random_() % 4;
    for (std::size_t i = 0; i < changes; ++i) {
      const auto& [key, values] = one_of(settings_);
      arguments = std::move(arguments) + metatape::settings({key + "=" + value_of(values)});
    }
    return arguments;
  }

 private:
  static bool is_of_the_workplace(const std::string& key) {
    return key.starts_with("data.") || key == "train.iterations" || key == "eval.tasks" ||
           key == "task.kind";
  }

  template <class T>
  const T& one_of(const std::vector<T>& all) {
    return all[random_() % all.size()];
  }

  /// Of "one of a, b", "true or false", "an integer 1..9", "a number >= 0".
  std::string value_of(const std::string& values) {
    const std::string choices = "one of ";
    if (values.starts_with("true")) return one_of<std::string>({"true", "false"});
    if (values.starts_with("a number"))
      return one_of<std::string>({"0", "1e-8", "0.001", "0.1", "0.5", "1", "10"});
    if (!values.starts_with(choices)) return one_of<std::string>({"0", "1", "2", "3", "4"});
    std::vector<std::string> names;
    for (std::size_t at = choices.size(); at < values.size();) {
      const std::size_t end = std::min(values.find(", ", at), values.size());
      names.push_back(values.substr(at, end - at));
      at = end + 2;
    }
    return one_of(names);
  }

  std::mt19937 random_;
  std::vector<std::pair<std::string, std::string>> settings_;
  std::vector<std::string> recipes_;
};

TEST(SlowSettings, RandomCombinationsRunOrAreRefused) {
  constexpr int kCombinations = 120, kFewestRuns = 30;
  const SmallRun run;
  RandomSettings random(run, 1);
  int runs = 0;
  for (int i = 0; i < kCombinations; ++i) {
    const Arguments settings = random.next();
    std::string said;
    for (const std::string& word : settings) said += word + " ";
    SCOPED_TRACE(said);
    const std::string out = "run" + std::to_string(i);
    const CommandResult trained = run.run(Arguments{"train", "--out", out} + settings);
    const int code = trained.exit_code;
    EXPECT_TRUE(code == kDone || code == kUsage || code == kNumerical) << trained.errors;
    EXPECT_EQ(run.run(Arguments{"plan"} + settings).exit_code, code == kUsage ? kUsage : kDone);
    EXPECT_EQ(std::filesystem::exists(run.path(out)), code != kUsage);
    if (code != kDone) continue;
    ++runs;
    const CommandResult evaluated = run.run({"eval", "--run", out, "--tasks", "2"});
    EXPECT_EQ(evaluated.exit_code, kDone) << evaluated.errors;
    const CommandResult resumed = run.run(run.resume(out, {"train.iterations=3"}));
    EXPECT_TRUE(resumed.exit_code == kDone || resumed.exit_code == kNumerical) << resumed.errors;
  }
  EXPECT_GE(runs, kFewestRuns);
}

}  // namespace
}  // namespace metatape
