#include "meta/recipe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

using nlohmann::json;

TEST(Recipe, EveryNameLoadsAndCanRun) {
  const std::vector<std::string> names = recipe_names();
  ASSERT_GE(names.size(), 18u);
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    const Recipe recipe = load_recipe(name);
    EXPECT_EQ(recipe.name, name);
    EXPECT_FALSE(recipe.about.empty());
    EXPECT_NO_THROW(check_config(recipe.config));
  }
}

TEST(Recipe, PublishedNumbersNameTheirSource) {
  for (const std::string& name : recipe_names()) {
    const json published = load_recipe(name).published;
    if (published.is_null()) continue;
    EXPECT_TRUE(published.at("accuracy").is_number()) << name;
    EXPECT_TRUE(!published.contains("ci95") || published.at("ci95").is_number()) << name;
    EXPECT_NE(published.at("source").get<std::string>().find("arXiv:"), std::string::npos) << name;
  }
}

struct Cell {
  const char* name;
  double maml, fomaml;  ///< accuracy in percent
};

TEST(Recipe, OmniglotCellsHaveTheSettingsAndNumbersOfThePapers) {
  // Finn et al. 2017, table 1; Nichol et al. 2018, table 2 (transductive).
  constexpr Cell kCells[] = {{"omniglot-5w1s", 98.7, 98.3},
                             {"omniglot-5w5s", 99.9, 99.2},
                             {"omniglot-20w1s", 95.8, 89.4},
                             {"omniglot-20w5s", 98.9, 97.9}};
  for (const Cell& cell : kCells) {
    const std::string name = cell.name;
    SCOPED_TRACE(name);
    const Recipe maml = load_recipe(name + "-maml"), fomaml = load_recipe(name + "-fomaml");
    EXPECT_EQ(maml.published.at("accuracy"), cell.maml);
    EXPECT_EQ(fomaml.published.at("accuracy"), cell.fomaml);
    const bool many = name.find("20w") != std::string::npos;
    const int shots = name.ends_with("5s") ? 5 : 1;
    for (const char* method : {"-maml", "-fomaml", "-anil", "-boil"}) {
      const Config c = load_recipe(name + method).config;
      EXPECT_EQ(c.task.ways, many ? 20 : 5);
      EXPECT_EQ(c.task.shots, shots);
      EXPECT_EQ(c.task.queries, shots);
      EXPECT_EQ(c.outer.tasks, many ? 16 : 32);
      EXPECT_EQ(c.inner.steps, many ? 5 : 1);
      EXPECT_EQ(c.inner.test_steps, many ? 5 : 3);
      EXPECT_EQ(c.model.width, 64);
      EXPECT_EQ(c.train.iterations, 60000);
    }
    EXPECT_EQ(maml.config.inner.order, "exact");
    EXPECT_EQ(fomaml.config.inner.order, "first");
    EXPECT_EQ(load_recipe(name + "-anil").config.inner.adapt, "head");
    EXPECT_EQ(load_recipe(name + "-boil").config.inner.adapt, "body");
  }
}

TEST(Recipe, DoesNotInheritAPublishedNumber) {
  EXPECT_TRUE(load_recipe("omniglot-5w1s-boil").published.is_null());
}

// ---- recipes in files --------------------------------------------------------------------------

class RecipeFile : public testing::Test {
 protected:
  std::string write(const std::string& name, const json& content) {
    return write(name, content.dump());
  }
  std::string write(const std::string& name, const std::string& text) {
    write_text(folder_ / name, text);
    return (folder_ / name).string();
  }

  TemporaryFolder folder_;
};

TEST_F(RecipeFile, ExtendsAnotherOne) {
  const std::string base =
      write("base.json", {{"extends", "omniglot-20w5s-maml"},
                          {"about", "base"},
                          {"settings", {{"inner", {{"lr", 0.125}, {"steps", 3}}}}}});
  const Recipe r = load_recipe(write(
      "mine.json", {{"extends", base}, {"settings", {{"inner", {{"steps", 4}}}, {"seed", 9}}}}));
  EXPECT_EQ(r.name, "mine");
  EXPECT_EQ(r.about, "base");
  EXPECT_EQ(r.config.inner.lr, 0.125);
  EXPECT_EQ(r.config.inner.steps, 4);
  EXPECT_EQ(r.config.seed, 9);
  EXPECT_EQ(r.config.task.shots, 5);
  EXPECT_TRUE(r.published.is_null());
}

TEST_F(RecipeFile, WithoutSettingsIsTheDefaults) {
  EXPECT_EQ(to_json(load_recipe(write("empty.json", json::object())).config), to_json(Config{}));
}

TEST_F(RecipeFile, InACircleIsRefused) {
  const std::string a = (folder_ / "a.json").string();
  const std::string b = write("b.json", {{"extends", a}});
  write("a.json", {{"extends", b}});
  expect_error(ErrorKind::io, "is it a circle?", [&] { load_recipe(a); });
}

TEST_F(RecipeFile, ThatIsWrongIsRefusedByName) {
  auto expect_refused = [&](const json& content, const std::string& fragment) {
    const std::string file = write("bad.json", content);
    expect_error(ErrorKind::io, fragment, [&] { load_recipe(file); });
    expect_error(ErrorKind::io, "[" + file + "]", [&] { load_recipe(file); });
  };
  expect_refused({{"setings", json::object()}}, "unknown entry \"setings\"");
  expect_refused(json::array(), "a recipe is a JSON object");
  expect_refused({{"about", 3}}, "about");
  expect_refused({{"extends", {1}}}, "extends");
  expect_refused({{"settings", {{"inner", {{"stepz", 1}}}}}}, "did you mean inner.steps?");
  expect_refused({{"settings", {{"inner", {{"lr", -1}}}}}}, "expected a number >= 0");
}

TEST_F(RecipeFile, ThatIsNotJsonIsRefused) {
  const std::string file = write("broken.json", std::string("{\"about\": "));
  expect_error(ErrorKind::io, "broken.json", [&] { load_recipe(file); });
}

TEST(Recipe, AnswersAnUnknownNameWithTheNearest) {
  expect_error(ErrorKind::usage, "did you mean omniglot-5w1s-maml?",
               [] { load_recipe("omniglot-5w1s-mamll"); });
}

}  // namespace
}  // namespace metatape
