#include "meta/report/run_record.h"

#include <fmt/format.h>

#include <optional>

#include "engine/error.h"
#include "engine/io/paths.h"
#include "engine/io/strict_json.h"
#include "engine/io/text_file.h"

namespace metatape {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::int64_t kMostIterations = std::int64_t(1) << 62;
constexpr std::size_t kLargestMetrics = std::size_t(1) << 30;
constexpr std::size_t kMostSeries = 1000;

void add_point(RunRecord& run, const std::string& name, std::int64_t iteration, const json& value,
               const std::string& subject) {
  if (!value.is_number())
    fail(ErrorKind::io, subject, "\"{}\" is {}, expected a number", name, value.type_name());
  Series& series = run.series[name];
  if (run.series.size() > kMostSeries)
    fail(ErrorKind::io, subject, "more than {} names: these are no metrics of a run", kMostSeries);
  if (!series.empty() && series.back().first >= iteration)
    fail(ErrorKind::io, subject, "iteration {} after {}: the lines are not of one run", iteration,
         series.back().first);
  series.emplace_back(iteration, value.get<double>());
}

void add_line(RunRecord& run, const json& line, const std::string& subject) {
  const std::int64_t iteration = json_integer(line, "iteration", 0, kMostIterations, subject);
  if (line.contains("split")) {
    for (const char* name : {"loss", "accuracy"})
      if (line.contains(name))
        add_point(run, std::string("validation ") + name, iteration, line[name], subject);
    return;
  }
  for (const auto& [name, value] : line.items())
    if (name != "iteration") add_point(run, name, iteration, value, subject);
}

void read_metrics(RunRecord& run, const fs::path& file) {
  if (!is_there(file)) return;
  TextFile lines(file, kLargestMetrics, "the metrics of a run");
  while (const std::optional<std::string_view> text = lines.next_line()) {
    const std::string subject = fmt::format("{}:{}", file.string(), lines.line_number());
    const json line = parse_strict_json(*text, subject);
    if (!line.is_object()) fail(ErrorKind::io, subject, "is no JSON object");
    add_line(run, line, subject);
  }
}

void check_evaluation(const json& evaluation, const std::string& subject) {
  if (!evaluation.is_object()) fail(ErrorKind::io, subject, "is no JSON object");
  for (const char* key : {"loss", "loss_ci95", "tasks", "shots", "queries", "inner_steps"})
    if (!evaluation.contains(key) || !evaluation[key].is_number())
      fail(ErrorKind::io, subject, "lacks the number \"{}\"; run metatape eval again", key);
  for (const char* key : {"accuracy", "ci95", "ways"})
    if (evaluation.contains(key) && !evaluation[key].is_number())
      fail(ErrorKind::io, subject, "\"{}\" is no number; run metatape eval again", key);
  for (const char* key : {"loss_by_step", "accuracy_by_step"})
    for (const json& value : evaluation.value(key, json::array()))
      if (!value.is_number()) fail(ErrorKind::io, subject, "\"{}\" holds what is no number", key);
  json_string(evaluation, "protocol", 100, subject);
}

void read_result(RunRecord& run, const RunFolder& folder) {
  const std::string file = (folder.path() / "result.json").string();
  const json result = folder.result();
  run.train = result.value("train", json());
  if (!run.train.is_null() && !run.train.is_object())
    fail(ErrorKind::io, file, "\"train\" is no JSON object");
  const json evaluations = result.value("eval", json::object());
  for (const auto& [name, evaluation] : evaluations.items()) {
    check_evaluation(evaluation, fmt::format("{}: eval/{}", file, name));
    run.evaluations[name] = evaluation;
  }
}

}  // namespace

RunRecord read_run(const fs::path& path) {
  const RunFolder folder = RunFolder::open(path);
  RunRecord run{
      .name = path.string(), .config = folder.config(), .provenance = folder.provenance()};
  read_metrics(run, path / "metrics.jsonl");
  read_result(run, folder);
  return run;
}

}  // namespace metatape
