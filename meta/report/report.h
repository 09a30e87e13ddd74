#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "meta/report/experiment.h"
#include "meta/report/plot.h"

namespace metatape {

/// A row of the accuracy table.
struct AccuracyRow {
  std::string experiment, evaluation;
  EvaluationSummary summary;
  nlohmann::json published;  ///< of the recipe: accuracy, ci95, source; null where none applies
};

/// A row of the cost table: means over the runs that tell. 0: unknown.
struct CostRow {
  std::string experiment, device;
  double milliseconds_per_step = 0, arena_mib = 0;
  std::int64_t iterations = 0;
};

struct Report {
  std::vector<Experiment> experiments;
  std::vector<AccuracyRow> accuracy;
  std::vector<CostRow> cost;
  std::vector<Plot> plots;
  std::vector<std::string> warnings;
};

/// Reads the runs and works out tables and curves. Errors: io, usage (a run given twice).
Report make_report(const std::vector<std::string>& runs);

/// Writes index.html, data/ and, where gnuplot is installed, an SVG and a PNG for each plot.
/// Without it the page has the tables alone, and a warning says so. Errors: io.
void write_report(Report&, const std::filesystem::path& folder);

nlohmann::json to_json(const Report&);

}  // namespace metatape
