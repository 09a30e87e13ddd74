// What `metatape predict` promises: a user's own pictures get the right names, and whatever is
// wrong with the folders is said.

#include <gtest/gtest.h>

#include <algorithm>

#include "meta/data/image.h"
#include "tests/meta/image_files.h"
#include "tests/tools/small_run.h"

namespace metatape {
namespace {

/// Pictures of one grey each. The small set tells its classes by their grey, so a run on it has
/// learnt to.
Image grey(int value, std::int64_t channels = 1, std::int64_t side = 30) {
  return uniform_image(side, side, channels, std::uint8_t(value));
}

/// A trained run, support folders dark, middle and light of `shots` pictures, six queries whose
/// folders name their class.
class PredictRun : public SmallRun {
 public:
  explicit PredictRun(int shots = 1) {
    // The paper's inductive protocol: transductive statistics of a batch of flat greys hide them.
    result_of(train("run", {"train.iterations=150", "inner.lr=0.4", "inner.test_steps=5",
                            "outer.lr=0.01", "eval.protocol=inductive"}));
    const std::pair<const char*, int> kClasses[] = {{"dark", 20}, {"light", 200}, {"middle", 100}};
    for (const auto& [name, value] : kClasses) {
      for (int k = 0; k < shots; ++k)
        write({{std::string("support/") + name + "/" + std::to_string(k) + ".png",
                encode_png(grey(value + 3 * k))}});
      write({{std::string("query/") + name + "/a.png", encode_png(grey(value + 5))},
             {std::string("query/") + name + "/b.jpg", encode_jpeg(grey(value - 5, 3, 50))}});
    }
  }
  void write(const FileTree& files) const { write_folder(path(""), files); }
};

const Arguments kPredict = {"predict", "--run", "run", "--support", "support", "--query", "query"};

TEST(Predict, NamesPicturesThatAreEasyToTellApart) {
  const PredictRun run;
  const nlohmann::json j = run.result_of(kPredict);
  EXPECT_EQ(j.at("classes"), (std::vector<std::string>{"dark", "light", "middle"}));
  EXPECT_EQ(j.at("shots"), (std::vector<int>{1, 1, 1}));
  EXPECT_EQ(j.at("protocol"), "inductive");
  ASSERT_EQ(j.at("predictions").size(), 6u);
  EXPECT_EQ(j.at("accuracy"), 100.0);
  for (const nlohmann::json& p : j.at("predictions")) {
    const std::string file = p.at("file"), label = p.at("label"), second = p.at("runner_up");
    EXPECT_EQ(label, file.substr(0, file.find('/')));
    double sum = 0;
    for (const auto& [name, value] : p.at("probabilities").items()) {
      sum += value.get<double>();
      EXPECT_LE(value, p.at("probability"));
      if (name != label) {
        EXPECT_LE(value, p.at("probabilities").at(second));
      }
    }
    EXPECT_EQ(p.at("probability"), p.at("probabilities").at(label));
    EXPECT_FLOAT_EQ(float(sum), 1.0f);
  }
}

TEST(Predict, TakesFlatQueriesAndUnequalShots) {
  const PredictRun run;
  run.write({{"support/dark/more.png", encode_png(grey(25))},
             {"flat/x.png", encode_png(grey(198))},
             {"flat/notes.txt", "no picture"}});
  const nlohmann::json j =
      run.result_of({"predict", "--run", "run", "--support", "support", "--query", "flat"});
  EXPECT_EQ(j.at("shots"), (std::vector<int>{2, 1, 1}));
  ASSERT_EQ(j.at("predictions").size(), 1u);
  EXPECT_EQ(j.at("predictions")[0].at("label"), "light");
  EXPECT_FALSE(j.contains("accuracy")) << "nobody knows the answers";
}

TEST(Predict, WritesTableAndFiles) {
  const PredictRun run;
  const CommandResult table = run.run(kPredict + Arguments{"--out", "labels.csv"});
  ASSERT_EQ(table.exit_code, 0) << table.errors;
  EXPECT_NE(table.output.find("runner-up"), std::string::npos);
  EXPECT_NE(table.output.find("dark/a.png"), std::string::npos);
  EXPECT_NE(table.errors.find("12 x 12"), std::string::npos) << "what is done with the pictures";
  const std::string csv = run.read("labels.csv");
  EXPECT_TRUE(csv.starts_with("file,label,probability,\"dark\",\"light\",\"middle\"\n")) << csv;
  EXPECT_EQ(std::ranges::count(csv, '\n'), 7);
  const nlohmann::json j = run.result_of(kPredict + Arguments{"--out", "labels.json"});
  EXPECT_EQ(nlohmann::json::parse(run.read("labels.json")), j);
}

TEST(Predict, TheProtocolIsASetting) {
  const PredictRun run;
  const nlohmann::json own = run.result_of(kPredict);
  const nlohmann::json j = run.result_of(kPredict + settings({"eval.protocol=transductive"}));
  EXPECT_EQ(j.at("protocol"), "transductive");
  EXPECT_NE(j.at("predictions")[0].at("probability"), own.at("predictions")[0].at("probability"));
}

TEST(Predict, FittedHeadsTakeMoreClassesThanTheRunHad) {
  const PredictRun run;
  run.result_of(run.train("fitted", {"train.iterations=40", "outer.lr=0.01",
                                     "inner.solver=prototypes", "eval.protocol=inductive"}));
  run.write({{"support/black/0.png", encode_png(grey(0))},
             {"support/white/0.png", encode_png(grey(255))}});
  const nlohmann::json j =
      run.result_of({"predict", "--run", "fitted", "--support", "support", "--query", "query"});
  EXPECT_EQ(j.at("ways"), 5);
  EXPECT_EQ(j.at("inner_steps"), 0);
  EXPECT_EQ(j.at("predictions")[0].at("probabilities").size(), 5u);
  EXPECT_EQ(run.run(kPredict).exit_code, 2) << "a trained head has as many outputs as classes";
}

TEST(Predict, RefusesWhatIsWrongWithTheFolders) {
  const PredictRun run;
  std::filesystem::create_directories(run.path("empty/nothing"));
  auto query = [](const char* folder) {
    return Arguments{"predict", "--run", "run", "--support", "support", "--query", folder};
  };
  auto support = [](const char* folder) {
    return Arguments{"predict", "--run", "run", "--support", folder, "--query", "query"};
  };
  expect_failure(run, query("empty"), 3, "holds no PNG or JPEG image");
  expect_failure(run, query("nowhere"), 3, "no such file or folder");
  expect_failure(run, support("empty"), 3, "nothing; fill or remove");
  expect_failure(run, support("query/dark"), 3, "expected CLASS/image.png");

  run.write({{"damaged/x.png", encode_png(grey(9)).substr(0, 40)}});
  expect_failure(run, query("damaged"), 3, "damaged:x.png");

  run.write({{"support/fourth/a.png", encode_png(grey(150))}});
  expect_failure(run, kPredict, 2, "4 class folders found, the run was trained with 3 classes");
}

}  // namespace
}  // namespace metatape
