#include "meta/report/page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/printable.h"
#include "meta/report/text.h"
#include "meta/settings/recipe.h"

namespace metatape {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kHead = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>metatape report</title>
<style>
body { font: 15px/1.5 sans-serif; color: #222; max-width: 1500px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: 0.3em 0.9em 0.3em 0; text-align: left; vertical-align: top;
         border-bottom: 1px solid #ddd; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { display: inline-block; width: 720px; max-width: 100%; margin: 0 1em 1em 0; }
svg { max-width: 100%; height: auto; }
.warning { background: #fff4d6; padding: 0.4em 0.8em; }
.note { color: #555; }
</style>
</head>
<body>
<h1>metatape report</h1>
)";

std::string cell(const std::string& text) {
  return "<td class=\"number\">" + html_text(text) + "</td>";
}

std::string plain_cell(const std::string& text) { return "<td>" + html_text(text) + "</td>"; }

/// "98.70 +- 0.40 %", or a loss.
std::string mean_of(const AccuracyRow& row) {
  const EvaluationSummary& s = row.summary;
  return s.accuracy.count ? fmt::format("{:.2f} %", s.accuracy.mean)
                          : fmt::format("error {:.4f}", s.loss.mean);
}

std::string over_seeds(const AccuracyRow& row) {
  const EvaluationSummary& s = row.summary;
  if (s.loss.count < 2) return "one run";
  return s.accuracy.count ? fmt::format("{:.2f} ({} runs)", s.accuracy.deviation, s.accuracy.count)
                          : fmt::format("{:.4f} ({} runs)", s.loss.deviation, s.loss.count);
}

std::string over_episodes(const AccuracyRow& row) {
  return fmt::format("+- {:.{}f} ({} tasks)", row.summary.ci95, row.summary.accuracy.count ? 2 : 4,
                     row.summary.first["tasks"].dump());
}

std::string task_of(const AccuracyRow& row) {
  const json& e = row.summary.first;
  if (!e.contains("ways")) return e["shots"].dump() + " points";
  return fmt::format("{}-way {}-shot, {} queries", e["ways"].dump(), e["shots"].dump(),
                     e["queries"].dump());
}

std::string published_of(const AccuracyRow& row) {
  const json& p = row.published;
  if (!p.is_object() || !p.contains("accuracy") || !p["accuracy"].is_number())
    return "none for this task";
  const bool has_interval = p.contains("ci95") && p["ci95"].is_number();
  const std::string interval =
      has_interval ? fmt::format(" +- {}", p["ci95"].get<double>()) : std::string();
  const json source = p.value("source", json());
  return fmt::format("{}{} %, {}", p["accuracy"].get<double>(), interval,
                     source.is_string() ? source.get<std::string>() : "no source");
}

std::string accuracy_table(const Report& report) {
  if (report.accuracy.empty()) return "";
  std::string text =
      "<h2>Accuracy</h2>\n<table>\n<tr><th>experiment</th><th>evaluated on</th><th>mean</th>"
      "<th>deviation over seeds</th><th>95 % interval over episodes</th><th>task</th>"
      "<th>inner steps</th><th>batch norm</th><th>published</th></tr>\n";
  for (const AccuracyRow& row : report.accuracy) {
    const json& e = row.summary.first;
    text += "<tr>" + plain_cell(row.experiment) + plain_cell(row.evaluation) + cell(mean_of(row)) +
            cell(over_seeds(row)) + cell(over_episodes(row)) + plain_cell(task_of(row)) +
            cell(e["inner_steps"].dump()) + plain_cell(e["protocol"].get<std::string>()) +
            plain_cell(published_of(row)) + "</tr>\n";
  }
  return text +
         "</table>\n<p class=\"note\">The deviation over seeds is that between trained models (n - "
         "1); the interval over episodes is that of one model over the tasks it was tested on, "
         "1.96 s / sqrt(n), averaged over the runs.</p>\n";
}

std::string cost_table(const Report& report) {
  auto known = [](double value, const char* unit) {
    return value > 0 ? fmt::format("{:.2f} {}", value, unit) : std::string("unknown");
  };
  std::string text =
      "<h2>Cost</h2>\n<table>\n<tr><th>experiment</th><th>iterations</th><th>time per "
      "meta-step</th><th>device</th><th>arena</th></tr>\n";
  for (const CostRow& row : report.cost)
    text += "<tr>" + plain_cell(row.experiment) + cell(std::to_string(row.iterations)) +
            cell(known(row.milliseconds_per_step, "ms")) + plain_cell(row.device) +
            cell(known(row.arena_mib, "MiB")) + "</tr>\n";
  return text + "</table>\n";
}

std::string changes_of(const RunRecord& run) {
  try {
    const Recipe recipe = load_recipe(run.provenance.recipe);
    return fmt::format("{}", fmt::join(changed_settings(run.config, recipe.config), ", "));
  } catch (const Error&) {
    return "the recipe is not here to compare with";
  }
}

std::string run_table(const Report& report) {
  std::string text =
      "<h2>Runs</h2>\n<table>\n<tr><th>experiment</th><th>run</th><th>seed</th><th>recipe</th>"
      "<th>changed settings</th><th>data</th><th>metatape</th></tr>\n";
  for (const Experiment& e : report.experiments)
    for (const RunRecord& run : e.runs)
      text += "<tr>" + plain_cell(e.label) + plain_cell(run.name) +
              cell(std::to_string(run.config.seed)) + plain_cell(run.provenance.recipe) +
              plain_cell(changes_of(run)) + plain_cell(run.provenance.data_path) +
              plain_cell(run.provenance.version) + "</tr>\n";
  return text + "</table>\n";
}

/// From <svg on: what comes before belongs to a file of its own.
std::string picture(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::size_t start = text.find("<svg");
  if (start == text.npos)
    fail(ErrorKind::io, file.string(), "gnuplot wrote no SVG there; is its svg terminal missing?");
  return text.substr(start);
}

std::string figures(const Report& report, const fs::path& plots) {
  std::string text =
      "<h2>Curves</h2>\n<p class=\"note\">Lines are means over the runs of an "
      "experiment, bands reach from the least to the largest of them.</p>\n";
  for (const Plot& plot : report.plots)
    text += "<figure>\n" + picture(plots / (plot.name + ".svg")) + "</figure>\n";
  return text;
}

}  // namespace

std::string page_of(const Report& report, const fs::path& plots) {
  std::string text = kHead;
  for (const std::string& warning : report.warnings)
    text += "<p class=\"warning\">" + html_text(warning) + "</p>\n";
  text += accuracy_table(report);
  if (!plots.empty() && !report.plots.empty()) text += figures(report, plots);
  return text + cost_table(report) + run_table(report) + "</body>\n</html>\n";
}

std::string text_of(const Report& report) {
  std::string text;
  for (const AccuracyRow& row : report.accuracy)
    text += printable(fmt::format("{}, {}: {}, over seeds {}, over episodes {}; {}; published: {}",
                                  row.experiment, row.evaluation, mean_of(row), over_seeds(row),
                                  over_episodes(row), task_of(row), published_of(row))) +
            "\n";
  return text;
}

}  // namespace metatape
