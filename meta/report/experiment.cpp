#include "meta/report/experiment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace metatape {
namespace {

using nlohmann::json;

/// How often a run writes and how it is evaluated later do not make it another experiment.
bool is_bookkeeping(const std::string& key) {
  return key == "seed" || key == "train.log_every" || key == "train.checkpoint_every" ||
         key == "train.validate_every" || key == "train.max_memory" || key == "data.resident" ||
         key.starts_with("eval.");
}

std::map<std::string, std::string> telling_settings(const Config& config) {
  std::map<std::string, std::string> settings;
  const json flat = to_json(config).flatten();
  for (const auto& [pointer, value] : flat.items()) {
    std::string key = pointer.substr(1);
    std::ranges::replace(key, '/', '.');
    if (!is_bookkeeping(key))
      settings[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return settings;
}

/// Equal for runs of one experiment.
std::string identity(const RunRecord& run) {
  return fmt::format("{}\n{}\n{}", run.provenance.recipe, run.provenance.data_sha256,
                     fmt::join(telling_settings(run.config), "\n"));
}

/// The values of the settings in which experiments of one recipe differ.
void tell_apart(std::vector<Experiment>& all) {
  constexpr std::size_t kMostShown = 3;
  for (Experiment& e : all) {
    std::set<std::string> words;
    for (const Experiment& other : all)
      if (other.runs[0].provenance.recipe == e.runs[0].provenance.recipe)
        for (const std::string& word : changed_settings(e.runs[0].config, other.runs[0].config))
          words.insert(word);
    e.label = e.runs[0].provenance.recipe;
    if (words.size() > kMostShown) e.label += " (" + e.runs[0].name + ")";
    if (!words.empty() && words.size() <= kMostShown)
      e.label += fmt::format(" ({})", fmt::join(words, ", "));
  }
  std::map<std::string, int> uses;
  for (const Experiment& e : all) ++uses[e.label];
  for (Experiment& e : all)  // other data, or settings that only some of them change
    if (uses[e.label] > 1) e.label += " [" + e.runs[0].name + "]";
}

BandPoint point_of(double x, const std::vector<double>& values) {
  const auto [low, high] = std::ranges::minmax(values);
  return {.x = x, .mean = spread_of(values).mean, .low = low, .high = high};
}

Band steps_of(const std::vector<json>& evaluations) {
  const char* key =
      evaluations[0].contains("accuracy_by_step") ? "accuracy_by_step" : "loss_by_step";
  std::size_t points = std::numeric_limits<std::size_t>::max();
  for (const json& e : evaluations) points = std::min(points, e.value(key, json::array()).size());
  Band band;
  for (std::size_t k = 0; k < points; ++k) {
    std::vector<double> values;
    for (const json& e : evaluations) values.push_back(e[key][k].get<double>());
    band.push_back(point_of(double(k), values));
  }
  return band;
}

EvaluationSummary summary_of(const Experiment& e, const std::string& name) {
  std::vector<json> found;
  std::vector<double> accuracy, loss, interval;
  std::vector<std::string> missing;
  for (const RunRecord& run : e.runs) {
    const auto at = run.evaluations.find(name);
    if (at == run.evaluations.end()) {
      missing.push_back(run.name);
      continue;
    }
    const json& evaluation = at->second;
    found.push_back(evaluation);
    loss.push_back(evaluation["loss"].get<double>());
    if (evaluation.contains("accuracy")) accuracy.push_back(evaluation["accuracy"].get<double>());
    interval.push_back(evaluation.value(evaluation.contains("ci95") ? "ci95" : "loss_ci95", 0.0));
  }
  const bool same = std::ranges::all_of(found, [&](const json& evaluation) {
    return evaluation.value("episodes_hash", json()) == found[0].value("episodes_hash", json());
  });
  return {.name = name,
          .first = found[0],
          .accuracy = spread_of(accuracy),
          .loss = spread_of(loss),
          .ci95 = spread_of(interval).mean,
          .same_episodes = same,
          .missing = missing,
          .by_step = steps_of(found)};
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  const double n = double(values.size());
  if (values.empty()) return {};
  double sum = 0, squares = 0;
  for (double v : values) sum += v;
  for (double v : values) squares += (v - sum / n) * (v - sum / n);
  return {sum / n, values.size() < 2 ? 0 : std::sqrt(squares / (n - 1)), values.size()};
}

std::vector<std::string> changed_settings(const Config& config, const Config& base) {
  std::vector<std::string> words;
  const auto before = telling_settings(base);
  for (const auto& [key, value] : telling_settings(config))
    if (before.at(key) != value) words.push_back(key + "=" + value);
  return words;
}

std::vector<Experiment> group_by_seed(std::vector<RunRecord> runs) {
  std::vector<Experiment> all;
  std::map<std::string, std::size_t> known;
  for (RunRecord& run : runs) {
    const auto [at, is_new] = known.emplace(identity(run), all.size());
    if (is_new) all.emplace_back();
    all[at->second].runs.push_back(std::move(run));
  }
  tell_apart(all);
  return all;
}

Band band_of(const Experiment& e, const std::string& series) {
  std::map<std::int64_t, std::vector<double>> values;
  for (const RunRecord& run : e.runs)
    if (const auto found = run.series.find(series); found != run.series.end())
      for (const auto& [iteration, value] : found->second) values[iteration].push_back(value);
  Band band;
  for (const auto& [iteration, column] : values)
    if (column.size() == e.runs.size()) band.push_back(point_of(double(iteration), column));
  return band;
}

std::vector<std::string> series_names(std::span<const Experiment> all) {
  std::set<std::string> names;
  for (const Experiment& e : all)
    for (const RunRecord& run : e.runs)
      for (const auto& [name, series] : run.series) names.insert(name);
  return {names.begin(), names.end()};
}

std::vector<EvaluationSummary> evaluations_of(const Experiment& e) {
  std::set<std::string> names;
  for (const RunRecord& run : e.runs)
    for (const auto& [name, evaluation] : run.evaluations) names.insert(name);
  std::vector<EvaluationSummary> all;
  for (const std::string& name : names) all.push_back(summary_of(e, name));
  return all;
}

}  // namespace metatape
