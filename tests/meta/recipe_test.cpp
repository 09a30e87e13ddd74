#include "meta/settings/recipe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

using nlohmann::json;

TEST(Recipe, EveryNameLoadsAndCanRun) {
  const std::vector<std::string> names = recipe_names();
  ASSERT_GE(names.size(), 120u);
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

constexpr const char* kCells[] = {"5w1s", "5w5s", "20w1s", "20w5s"};

/// Accuracies in percent of the four cells; 0: none.
struct Published {
  const char* method;
  double accuracy[4];
};
// Finn et al. 2017, table 1; Nichol et al. 2018, table 2 (transductive); Raghu et al. 2020; Li et
// al. 2017; Antoniou et al. 2019; Rajeswaran et al. 2019, table 2; Snell et al. 2017, table 1;
// Bertinetto et al. 2019; a summary of arXiv:2411.00404.
constexpr Published kPublished[] = {{"maml", {98.7, 99.9, 95.8, 98.9}},
                                    {"fomaml", {98.3, 99.2, 89.4, 97.9}},
                                    {"reptile", {97.68, 99.48, 89.43, 97.12}},
                                    {"anil", {0, 0, 96.2, 98.0}},
                                    {"boil", {}},
                                    {"metasgd", {99.53, 99.93, 95.93, 98.97}},
                                    {"mamlpp", {99.47, 99.93, 97.65, 99.33}},
                                    {"cavia", {}},
                                    {"imaml", {99.16, 99.67, 94.46, 98.69}},
                                    {"fobmaml", {}},
                                    {"protonets", {98.8, 99.7, 96.0, 98.9}},
                                    {"r2d2", {98.91, 99.74, 96.24, 99.2}},
                                    {"metaoptnet", {}},
                                    {"iamfs", {99.38, 0, 0, 0}},
                                    {"oamfs", {}},
                                    {"maml-lil", {}},
                                    {"fomaml-lil", {}},
                                    {"anil-lil", {}},
                                    {"boil-lil", {}},
                                    {"shot", {}}};

TEST(Recipe, EveryMethodHasTheOmniglotCellsWithThePublishedNumbers) {
  for (const Published& published : kPublished)
    for (int cell = 0; cell < 4; ++cell) {
      const std::string cell_name = kCells[cell];
      const Recipe r = load_recipe("omniglot-" + cell_name + "-" + published.method);
      SCOPED_TRACE(r.name);
      EXPECT_NE(r.about.find("Omniglot " + cell_name), std::string::npos) << r.about;
      EXPECT_EQ(r.config.task.ways, cell < 2 ? 5 : 20);
      const std::int64_t shots = r.config.eval.shots ? r.config.eval.shots : r.config.task.shots;
      EXPECT_EQ(shots, cell % 2 ? 5 : 1);
      EXPECT_EQ(r.config.model.width, 64);
      if (published.accuracy[cell] == 0)
        EXPECT_TRUE(r.published.is_null());
      else
        EXPECT_EQ(r.published.at("accuracy"), published.accuracy[cell]);
    }
}

TEST(Recipe, GradientMethodsHaveTheSettingsOfThePapersOnOmniglot) {
  for (const std::string cell : kCells) {
    const bool many = cell.starts_with("20w");
    const int shots = cell.ends_with("5s") ? 5 : 1;
    for (const char* method : {"-maml", "-fomaml", "-anil", "-boil"}) {
      const Config c = load_recipe("omniglot-" + cell + method).config;
      SCOPED_TRACE(cell + method);
      EXPECT_EQ(c.task.queries, shots);
      EXPECT_EQ(c.outer.tasks, many ? 16 : 32);
      const bool anil = c.inner.adapt == "head";  // its paper's settings are not at hand
      EXPECT_EQ(c.inner.steps, many || anil ? 5 : 1);
      EXPECT_EQ(c.inner.test_steps, many || anil ? 5 : 3);
      EXPECT_EQ(c.train.iterations, 60000);
    }
    EXPECT_EQ(load_recipe("omniglot-" + cell + "-maml").config.inner.order, "exact");
    EXPECT_EQ(load_recipe("omniglot-" + cell + "-fomaml").config.inner.order, "first");
    EXPECT_EQ(load_recipe("omniglot-" + cell + "-anil").config.inner.adapt, "head");
    EXPECT_EQ(load_recipe("omniglot-" + cell + "-boil").config.inner.adapt, "body");
  }
}

TEST(Recipe, CaltechCellsHaveTheSettingsOfLil) {
  for (const std::string cell : {"caltech-5w1s-", "caltech-5w5s-"}) {
    const bool many = cell.ends_with("5s-");
    for (const char* method : {"maml", "fomaml", "anil", "boil", "maml-lil", "fomaml-lil",
                               "anil-lil", "boil-lil", "shot", "maml-resnet12", "maml-lil-resnet12",
                               "imaml", "protonets", "r2d2", "metaoptnet", "iamfs"}) {
      const Recipe r = load_recipe(cell + method);
      SCOPED_TRACE(r.name);
      EXPECT_TRUE(r.published.is_null());
      EXPECT_NE(r.about.find("eval --data eurosat.mtd"), std::string::npos) << r.about;
      const Config& c = r.config;
      const bool resnet = c.model.name == "resnet12";
      EXPECT_EQ(c.task.shots, many ? 5 : 1);
      EXPECT_EQ(c.task.queries, 15);
      EXPECT_EQ(c.data.height, 84);
      EXPECT_EQ(c.outer.tasks, 4);
      EXPECT_EQ(c.outer.lr, resnet ? 6e-4 : 1e-3);
      EXPECT_EQ(c.train.iterations, resnet ? 10000 : 30000);
      if (c.inner.solver != "gradient") continue;
      EXPECT_EQ(c.inner.steps, 3);
      EXPECT_EQ(c.inner.test_steps, 3);
      EXPECT_EQ(c.inner.lr, resnet ? 0.3 : 0.5);
      EXPECT_EQ(c.inner.order, r.name.find("fomaml") == r.name.npos ? "exact" : "first");
      const bool pre_trained = r.name.ends_with("fomaml-lil");
      EXPECT_EQ(c.outer.unlabelled_until, pre_trained ? 15000 : 0);
      const bool lil = r.name.find("lil") != r.name.npos || r.name.ends_with("shot");
      EXPECT_EQ(c.regularize.phase, lil && !pre_trained ? 0.1 : 0);
      const bool amplitude = r.name.find("-maml-lil") != r.name.npos;
      EXPECT_EQ(c.regularize.amplitude, !amplitude ? 0 : many ? 0.1 : 0.01);
    }
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
