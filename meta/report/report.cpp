#include "meta/report/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "meta/report/page.h"
#include "meta/settings/recipe.h"

namespace metatape {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// The published number holds for the test split of the task of the recipe, and for no other.
json published_for(const Experiment& e, const EvaluationSummary& evaluation) {
  if (evaluation.name != "test") return nullptr;
  try {
    const Recipe recipe = load_recipe(e.runs[0].provenance.recipe);
    for (const std::string& word : changed_settings(e.runs[0].config, recipe.config))
      if (word.starts_with("task.")) return nullptr;
    return recipe.published;
  } catch (const Error&) {  // the recipe was a file that has gone
    return nullptr;
  }
}

CostRow cost_of(const Experiment& e) {
  CostRow row{.experiment = e.label, .device = ""};
  std::vector<double> seconds, bytes;
  auto number = [](const json& train, const char* key) {
    return train.is_object() && train.contains(key) && train[key].is_number()
               ? train[key].get<double>()
               : 0.0;
  };
  for (const RunRecord& run : e.runs) {
    const double iterations = number(run.train, "iterations");
    row.iterations = std::max(row.iterations, std::int64_t(iterations));
    if (number(run.train, "arena_bytes") > 0) bytes.push_back(number(run.train, "arena_bytes"));
    // The seconds of a resumed run are those of its last part alone.
    const bool whole = run.train.is_object() && run.train.value("resumed", json()) == json(false);
    if (whole && iterations > 0) seconds.push_back(number(run.train, "seconds") / iterations);
    if (const json device = whole ? run.train.value("device", json()) : json(); device.is_string())
      row.device = device.get<std::string>();
  }
  row.milliseconds_per_step = 1000 * spread_of(seconds).mean;
  row.arena_mib = spread_of(bytes).mean / 1024 / 1024;
  return row;
}

/// "PC step 1" -> "pc-step-1".
std::string file_name(const std::string& series) {
  std::string name;
  for (char c : series) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    name += upper ? char(c - 'A' + 'a') : plain ? c : '-';
  }
  return name;
}

/// Two names may become the same file name.
void add_plot(Report& report, Plot plot) {
  if (plot.curves.empty()) return;
  int same = 1;
  const std::string name = plot.name;
  auto taken = [&](const Plot& other) { return other.name == plot.name; };
  while (std::ranges::any_of(report.plots, taken)) plot.name = fmt::format("{}-{}", name, ++same);
  report.plots.push_back(std::move(plot));
}

void add_learning_curves(Report& report) {
  std::vector<std::string> names = series_names(report.experiments);
  // What everybody looks for comes first.
  std::ranges::stable_sort(names, {}, [](const std::string& name) {
    return name == "accuracy" ? 0 : name == "loss" ? 1 : name.starts_with("validation") ? 2 : 3;
  });
  for (const std::string& name : names) {
    const bool percent = name.ends_with("accuracy");
    Plot plot{.name = file_name(name),
              .title = name.starts_with("validation") ? name : "training " + name,
              .x_label = "iteration",
              .y_label = percent ? name + " (%)" : name,
              .curves = {}};
    for (const Experiment& e : report.experiments)
      if (Band band = band_of(e, name); !band.empty()) plot.curves.push_back({e.label, band});
    add_plot(report, std::move(plot));
  }
}

void add_adaptation_curves(Report& report) {
  std::set<std::pair<std::string, bool>> kinds;
  auto is_accuracy = [](const AccuracyRow& row) { return row.summary.accuracy.count > 0; };
  for (const AccuracyRow& row : report.accuracy) kinds.emplace(row.evaluation, is_accuracy(row));
  for (const auto& [evaluation, accuracy] : kinds) {
    Plot plot{.name = file_name("adaptation " + evaluation),
              .title = "adaptation to tasks of " + evaluation,
              .x_label = "inner steps",
              .y_label = accuracy ? "accuracy (%)" : "error",
              .curves = {}};
    for (const AccuracyRow& row : report.accuracy)
      if (row.evaluation == evaluation && is_accuracy(row) == accuracy &&
          row.summary.by_step.size() > 1)  // closed forms have no steps to draw
        plot.curves.push_back({row.experiment, row.summary.by_step});
    add_plot(report, std::move(plot));
  }
}

void add_accuracies(Report& report, const Experiment& e) {
  const std::vector<EvaluationSummary> all = evaluations_of(e);
  if (all.empty())
    report.warnings.push_back(fmt::format(
        "{}: not evaluated; run metatape eval --run {} --split test", e.label, e.runs[0].name));
  for (const EvaluationSummary& summary : all) {
    report.accuracy.push_back({.experiment = e.label,
                               .evaluation = summary.name,
                               .summary = summary,
                               .published = published_for(e, summary)});
    if (!summary.missing.empty())
      report.warnings.push_back(fmt::format("{}: {} of {} runs have no evaluation '{}'", e.label,
                                            summary.missing.size(), e.runs.size(), summary.name));
  }
}

json to_json(const AccuracyRow& row) {
  const EvaluationSummary& s = row.summary;
  json j{{"experiment", row.experiment},
         {"evaluation", row.evaluation},
         {"runs", s.loss.count},
         {"tasks", s.first["tasks"]},
         {"shots", s.first["shots"]},
         {"queries", s.first["queries"]},
         {"inner_steps", s.first["inner_steps"]},
         {"protocol", s.first["protocol"]},
         {"same_episodes", s.same_episodes},
         {"loss", s.loss.mean},
         {"published", row.published}};
  j[s.accuracy.count ? "ci95" : "loss_ci95"] = s.ci95;
  if (s.loss.count > 1) j["loss_seed_deviation"] = s.loss.deviation;
  if (s.first.contains("ways")) j["ways"] = s.first["ways"];
  if (s.accuracy.count) j["accuracy"] = s.accuracy.mean;
  if (s.accuracy.count > 1) j["seed_deviation"] = s.accuracy.deviation;
  return j;
}

}  // namespace

Report make_report(const std::vector<std::string>& paths) {
  std::vector<RunRecord> runs;
  std::set<fs::path> seen;
  std::error_code error;  // read_run() has seen the folder
  for (const std::string& path : paths) {
    runs.push_back(read_run(path));
    if (!seen.insert(fs::weakly_canonical(path, error)).second)
      fail(ErrorKind::usage, path, "the run is given twice; it would count as two seeds");
  }
  Report report;
  report.experiments = group_by_seed(std::move(runs));
  for (const Experiment& e : report.experiments) {
    add_accuracies(report, e);
    report.cost.push_back(cost_of(e));
    std::set<std::int64_t> seeds;
    for (const RunRecord& run : e.runs) seeds.insert(run.config.seed);
    if (seeds.size() < e.runs.size())
      report.warnings.push_back(
          fmt::format("{}: {} runs with {} different seeds: their spread is too small", e.label,
                      e.runs.size(), seeds.size()));
  }
  add_learning_curves(report);
  add_adaptation_curves(report);
  return report;
}

void write_report(Report& report, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder / "data", error);
  if (error) fail(ErrorKind::io, folder.string(), "cannot create the folder: {}", error.message());
  const bool draws = has_gnuplot();
  if (!draws && !report.plots.empty())
    report.warnings.push_back(
        "no plots: gnuplot is not installed (apt-get install gnuplot-nox); data/ has the scripts "
        "and numbers: install it and run the report again");
  for (const Plot& plot : report.plots) {
    write_plot_files(plot, folder);
    if (draws) run_gnuplot(plot.name, folder);
  }
  write_file_atomically(folder / "index.html", page_of(report, draws ? folder : fs::path()));
}

json to_json(const Report& report) {
  json experiments = json::array(), accuracy = json::array(), cost = json::array(),
       plots = json::array();
  for (const Experiment& e : report.experiments) {
    json runs = json::array();
    for (const RunRecord& run : e.runs) runs.push_back(run.name);
    experiments.push_back({{"label", e.label}, {"runs", runs}});
  }
  for (const AccuracyRow& row : report.accuracy) accuracy.push_back(to_json(row));
  for (const CostRow& row : report.cost)
    cost.push_back({{"experiment", row.experiment},
                    {"device", row.device},
                    {"milliseconds_per_step", row.milliseconds_per_step},
                    {"arena_mib", row.arena_mib},
                    {"iterations", row.iterations}});
  for (const Plot& plot : report.plots) plots.push_back(plot.name);
  return {{"experiments", experiments},
          {"accuracy", accuracy},
          {"cost", cost},
          {"plots", plots},
          {"warnings", report.warnings}};
}

}  // namespace metatape
