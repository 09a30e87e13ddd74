#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "meta/report/run_record.h"

namespace metatape {

/// Runs that differ in nothing but the seed.
struct Experiment {
  std::string label;  ///< the recipe, with the settings that tell it from others of that recipe
  std::vector<RunRecord> runs;
};

/// In the order in which the first run of each was given.
std::vector<Experiment> group_by_seed(std::vector<RunRecord>);

/// Mean over runs, and the least and the largest of them.
struct BandPoint {
  double x = 0, mean = 0, low = 0, high = 0;
};
using Band = std::vector<BandPoint>;

/// Of the iterations that all runs of the experiment have logged. Empty if one has not that series.
Band band_of(const Experiment&, const std::string& series);

/// Names of the series that some run has.
std::vector<std::string> series_names(std::span<const Experiment>);

/// Mean, and with two values or more their standard deviation (n - 1).
struct Spread {
  double mean = 0, deviation = 0;
  std::size_t count = 0;
};
Spread spread_of(const std::vector<double>&);

/// An evaluation of an experiment: the results of those of its runs that have it.
struct EvaluationSummary {
  std::string name;  ///< "test", "test on eurosat"
  nlohmann::json first;
  Spread accuracy, loss;      ///< over runs; accuracy in percent, count 0 for regression
  double ci95 = 0;            ///< mean over runs of the interval over episodes
  bool same_episodes = true;  ///< the runs saw the same tasks
  std::vector<std::string> missing = {};  ///< runs without it
  Band by_step;                           ///< accuracy (or loss) after 0, 1, .. steps
};
std::vector<EvaluationSummary> evaluations_of(const Experiment&);

/// Settings as key=value that differ from those of `base`, seed and bookkeeping left out.
std::vector<std::string> changed_settings(const Config&, const Config& base);

}  // namespace metatape
