#include "meta/report/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "meta/report/text.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

RunRecord run_of(const std::string& name, std::int64_t seed, Series loss = {}) {
  RunRecord run{.name = name, .config = {}, .provenance = {.recipe = "mine"}};
  run.config.seed = seed;
  run.series["loss"] = std::move(loss);
  return run;
}

TEST(ReportText, MarkupAndControlCharactersStayText) {
  EXPECT_EQ(html_text("<a href=\"x\">'&'"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;");
  EXPECT_EQ(gnuplot_string("it's `x`"), "'it''s `x`'");
  EXPECT_EQ(gnuplot_string("a\nplot b"), "'a?plot b'");
}

TEST(ReportExperiments, RunsThatDifferInTheSeedAloneAreOne) {
  std::vector<RunRecord> runs{run_of("a", 1), run_of("b", 2), run_of("c", 1)};
  runs[2].config.inner.steps = 5;
  const std::vector<Experiment> all = group_by_seed(runs);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].runs.size(), 2u);
  EXPECT_EQ(all[0].label, "mine (inner.steps=1)");
  EXPECT_EQ(all[1].label, "mine (inner.steps=5)");
}

TEST(ReportExperiments, OtherDataIsAnotherExperiment) {
  std::vector<RunRecord> runs{run_of("a", 1), run_of("b", 2)};
  runs[1].provenance.data_sha256 = "0a";
  const std::vector<Experiment> all = group_by_seed(runs);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_NE(all[0].label, all[1].label);
}

TEST(ReportExperiments, BandsHaveWhatAllRunsLogged) {
  const std::vector<Experiment> all =
      group_by_seed({run_of("a", 1, {{10, 1.0}, {20, 4.0}}), run_of("b", 2, {{10, 2.0}}),
                     run_of("c", 3, {{10, 6.0}, {20, 5.0}})});
  const Band band = band_of(all.at(0), "loss");
  ASSERT_EQ(band.size(), 1u) << "b ended before 20";
  EXPECT_EQ(band[0].x, 10);
  EXPECT_EQ(band[0].mean, 3);
  EXPECT_EQ(band[0].low, 1);
  EXPECT_EQ(band[0].high, 6);
}

TEST(ReportExperiments, SpreadIsThatOfASample) {
  const Spread spread = spread_of({1, 2, 6});
  EXPECT_EQ(spread.mean, 3);
  EXPECT_DOUBLE_EQ(spread.deviation * spread.deviation, 7);  // (4 + 1 + 9) / 2
  EXPECT_EQ(spread_of({5}).deviation, 0);
}

/// A run folder with these metrics.
std::string folder_with(const TemporaryFolder& temporary, const std::string& metrics) {
  const std::filesystem::path path = temporary / "run";
  RunFolder::create(path, Config{}, {.recipe = "mine"});
  write_text(path / "metrics.jsonl", metrics);
  return path.string();
}

TEST(ReportMetrics, DiagnosticsAndValidationAreSeriesOfTheirOwn) {
  const TemporaryFolder temporary;
  const RunRecord run = read_run(folder_with(
      temporary,
      "{\"iteration\": 5, \"loss\": 1.5, \"PC\": 0.25}\n"
      "{\"iteration\": 5, \"split\": \"validation\", \"loss\": 2.5, \"accuracy\": 50}\n"));
  EXPECT_EQ(run.series.at("loss"), (Series{{5, 1.5}}));
  EXPECT_EQ(run.series.at("PC"), (Series{{5, 0.25}}));
  EXPECT_EQ(run.series.at("validation loss"), (Series{{5, 2.5}}));
  EXPECT_EQ(run.series.at("validation accuracy"), (Series{{5, 50.0}}));
}

TEST(ReportMetrics, ADamagedLineIsNamed) {
  for (const char* second :
       {"{\"iteration\": 9, \"los", "7", "{\"loss\": 1}", "{\"iteration\": 9, \"loss\": \"x\"}",
        "{\"iteration\": 3, \"loss\": 1}"}) {
    const TemporaryFolder temporary;
    const std::string run =
        folder_with(temporary, std::string("{\"iteration\": 5, \"loss\": 1}\n") + second + "\n");
    expect_error(ErrorKind::io, "metrics.jsonl:2", [&] { read_run(run); });
  }
}

}  // namespace
}  // namespace metatape
