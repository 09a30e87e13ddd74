// What `metatape report` promises: its pages say what the runs say, whatever they are called.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/tools/small_run.h"

namespace metatape {
namespace {

/// Two seeds of one experiment, evaluated.
class ReportRun : public SmallRun {
 public:
  ReportRun() {
    for (const char* seed : {"1", "2"}) {
      const std::string name = std::string("run") + seed;
      result_of(train(name, {"train.iterations=9", std::string("seed=") + seed}));
      result_of({"eval", "--run", name, "--tasks", "6"});
    }
  }
  nlohmann::json stored(const std::string& run) const {
    return nlohmann::json::parse(read(run + "/result.json"));
  }
};

/// Every element that is opened is closed, in the order of XML; <meta> and <!DOCTYPE> aside.
void expect_balanced(const std::string& text) {
  std::vector<std::string> open;
  for (std::size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
    const std::size_t end = text.find('>', at);
    ASSERT_NE(end, text.npos) << "a tag without end";
    const std::string tag = text.substr(at + 1, end - at - 1);
    const std::string name =
        tag.substr(tag[0] == '/', tag.find_first_of(" \t\n/", 1) - (tag[0] == '/'));
    if (tag[0] == '!' || tag[0] == '?' || tag.ends_with('/') || name == "meta") continue;
    if (tag[0] != '/') {
      open.push_back(name);
      continue;
    }
    ASSERT_FALSE(open.empty()) << "</" << name << "> closes nothing";
    ASSERT_EQ(open.back(), name);
    open.pop_back();
  }
  EXPECT_TRUE(open.empty()) << open.size() << " elements are not closed";
}

bool gnuplot_is_there() { return std::system("gnuplot --version > /dev/null 2>&1") == 0; }

TEST(Report, EvalKeepsItsResultInTheRun) {
  const ReportRun run;
  const nlohmann::json e = run.result_of({"eval", "--run", "run1", "--tasks", "6"});
  EXPECT_EQ(run.stored("run1").at("eval").at("test"), e);
  EXPECT_TRUE(run.stored("run1").contains("train"));
  run.result_of({"eval", "--run", "run1", "--tasks", "3", "--split", "validation"});
  EXPECT_EQ(run.stored("run1").at("eval").at("test"), e) << "splits stand beside each other";
  run.result_of(Arguments{"eval", "--run", "run1", "--tasks", "3"} +
                settings({"eval.protocol=inductive"}));
  EXPECT_TRUE(run.stored("run1").at("eval").contains("test, inductive"));
}

TEST(Report, NumbersAreThoseOfTheRuns) {
  const ReportRun run;
  const nlohmann::json j = run.result_of({"report", "run1", "run2", "--out", "report"});
  ASSERT_EQ(j.at("experiments").size(), 1u) << "they differ in the seed alone";
  ASSERT_EQ(j.at("accuracy").size(), 1u);
  const nlohmann::json row = j.at("accuracy")[0];
  const double a = run.stored("run1").at("eval").at("test").at("accuracy");
  const double b = run.stored("run2").at("eval").at("test").at("accuracy");
  ASSERT_NE(a, b);
  EXPECT_DOUBLE_EQ(row.at("accuracy").get<double>(), (a + b) / 2);
  EXPECT_DOUBLE_EQ(row.at("seed_deviation").get<double>(), std::abs(a - b) / std::sqrt(2.0));
  EXPECT_EQ(row.at("runs"), 2);
  EXPECT_EQ(row.at("tasks"), 6);
  EXPECT_EQ(row.at("same_episodes"), false) << "each seed draws its own tasks";
  EXPECT_GT(j.at("cost")[0].at("milliseconds_per_step"), 0.0);
  EXPECT_GT(j.at("cost")[0].at("arena_mib"), 0.0);
  const std::string page = run.read("report/index.html");
  expect_balanced(page);
  EXPECT_NE(page.find(fmt::format("{:.2f} %", (a + b) / 2)), page.npos);
  std::istringstream data(run.read("report/data/loss-1.dat"));
  std::string header;
  std::getline(data, header);
  double x = 0, mean = 0, low = 0, high = 0;
  data >> x >> mean >> low >> high;
  const auto first = [&](const char* name) {
    const std::string text = run.read(std::string(name) + "/metrics.jsonl");
    return nlohmann::json::parse(text.substr(0, text.find('\n'))).at("loss").get<double>();
  };
  EXPECT_EQ(x, 3);
  EXPECT_DOUBLE_EQ(mean, (first("run1") + first("run2")) / 2);
  EXPECT_DOUBLE_EQ(low, std::min(first("run1"), first("run2")));
  EXPECT_DOUBLE_EQ(high, std::max(first("run1"), first("run2")));
}

TEST(Report, DrawsPictures) {
  if (!gnuplot_is_there()) GTEST_SKIP() << "gnuplot is not installed";
  const ReportRun run;
  const nlohmann::json j = run.result_of({"report", "run1", "run2", "--out", "report"});
  EXPECT_EQ(j.at("plots"), (std::vector<std::string>{"accuracy", "loss", "amplitude-consistency",
                                                     "phase-consistency", "adaptation-test"}));
  for (const std::string name : j.at("plots")) {
    expect_balanced(run.read("report/" + name + ".svg"));
    EXPECT_TRUE(run.read("report/" + name + ".png").starts_with("\x89PNG"));
  }
  const std::string page = run.read("report/index.html");
  std::size_t pictures = 0;
  for (std::size_t at = page.find("<svg"); at != page.npos; at = page.find("<svg", at + 1))
    ++pictures;
  EXPECT_EQ(pictures, 5u);
}

TEST(Report, HostileNamesStayText) {
  const ReportRun run;
  const std::string name = "a'`touch hacked`\"$(touch hacked) & <script>_{x}";
  std::filesystem::rename(run.path("run1"), run.path(name));
  nlohmann::json config = nlohmann::json::parse(run.read(name + "/config.json"));
  config["provenance"]["recipe"] = name;
  write_text(run.path(name + "/config.json"), config.dump());
  const nlohmann::json j = run.result_of({"report", name, "run2", "--out", "report"});
  EXPECT_EQ(j.at("experiments").size(), 2u);
  EXPECT_FALSE(std::filesystem::exists(run.path("hacked")));
  EXPECT_FALSE(std::filesystem::exists(run.path("report/hacked")));
  const std::string page = run.read("report/index.html");
  EXPECT_EQ(page.find("<script"), page.npos);
  EXPECT_NE(page.find("&lt;script&gt;"), page.npos);
  expect_balanced(page);
  // The name is a string to gnuplot from its first quote to its last.
  EXPECT_NE(run.read("report/data/loss.gp").find("title 'a''`touch hacked`\""), std::string::npos);
}

TEST(Report, WithoutGnuplotTheTablesRemain) {
  const ReportRun run;
  const CommandResult r =
      run.run({"report", "run1", "--out", "report", "--json"}, {.environment = {{"PATH", ""}}});
  ASSERT_EQ(r.exit_code, 0) << r.errors;
  EXPECT_NE(r.errors.find("apt-get install gnuplot-nox"), std::string::npos) << r.errors;
  EXPECT_EQ(r.json().at("warnings").size(), 1u);
  const std::string page = run.read("report/index.html");
  expect_balanced(page);
  EXPECT_NE(page.find("gnuplot is not installed"), page.npos);
  EXPECT_TRUE(std::filesystem::exists(run.path("report/data/loss.gp")));
  EXPECT_FALSE(std::filesystem::exists(run.path("report/loss.svg")));
}

TEST(Report, DamageIsNamed) {
  const ReportRun run;
  expect_failure(run, {"report", "run1", "run1", "--out", "report"}, 2, "given twice");
  expect_failure(run, {"report", "nowhere", "--out", "report"}, 3, "nowhere/config.json");
  std::ofstream(run.path("run2/metrics.jsonl"), std::ios::app) << "{\"iteration\": 12, \"lo\n";
  expect_failure(run, {"report", "run1", "run2", "--out", "report"}, 3, "run2/metrics.jsonl:4");
  write_text(run.path("run1/result.json"), "{\"eval\": {\"test\": {\"loss\": \"x\"}}}");
  expect_failure(run, {"report", "run1", "--out", "report"}, 3, "result.json: eval/test");
}

}  // namespace
}  // namespace metatape
