#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "meta/training/run_folder.h"

namespace metatape {

/// A number over the iterations of training, in their order.
using Series = std::vector<std::pair<std::int64_t, double>>;

/// What a finished or running run has left in its folder.
struct RunRecord {
  std::string name;  ///< the folder as it was given
  Config config;
  Provenance provenance;
  /// By the name in metrics.jsonl: loss, accuracy, diagnostics; "validation loss" and "validation
  /// accuracy" for the lines of validation.
  std::map<std::string, Series> series;
  nlohmann::json train = nullptr;                     ///< of result.json; null before the end
  std::map<std::string, nlohmann::json> evaluations;  ///< of result.json, by name
};

/// Errors: io, naming the file, and for metrics.jsonl the line.
RunRecord read_run(const std::filesystem::path&);

}  // namespace metatape
