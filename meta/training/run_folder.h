#pragma once

// A run on disk: config.json (resolved), metrics.jsonl, checkpoint-*.safetensors, result.json.

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "engine/io/checkpoint.h"
#include "engine/io/folder_lock.h"
#include "meta/settings/config.h"

namespace metatape {

/// Where a run comes from: what it was started with beside its settings.
struct Provenance {
  std::string recipe, version;         ///< of metatape
  std::string data_path, data_sha256;  ///< empty where data is drawn
};

class RunFolder {
 public:
  /// Of several processes that work on a run one writes; for the others writing does nothing.
  /// `train` writes and keeps others from training into the folder as well.
  enum class Access { train, write, read };

  /// A new run. Errors: usage, if the folder holds a run already (nothing is overwritten) or
  /// another process trains into it; io.
  static RunFolder create(const std::filesystem::path&, const Config&, const Provenance&,
                          Access = Access::write);
  /// A run that exists. Errors: io, if there is no readable config.json; usage, as create().
  static RunFolder open(const std::filesystem::path&, Access = Access::write);
  static bool exists(const std::filesystem::path&);

  const std::filesystem::path& path() const { return path_; }
  const Config& config() const { return config_; }
  const Provenance& provenance() const { return provenance_; }

  /// Replaces config.json: a resumed run may be given more iterations.
  void set_config(const Config&);

  /// Latest checkpoint, or nothing.
  std::optional<std::filesystem::path> latest_checkpoint() const;
  /// Saves and then drops all but the last two.
  std::filesystem::path save(std::int64_t iteration, const Checkpoint&, std::span<const Parameter>);

  /// One line of metrics.jsonl.
  void append_metrics(const nlohmann::json& line);
  std::int64_t metrics_bytes() const;
  /// Forgets lines written after a checkpoint that is being resumed.
  void truncate_metrics(std::int64_t bytes);

  /// What result.json holds; an empty object while there is no such file. Errors: io.
  nlohmann::json result() const;
  void write_result(const nlohmann::json&);
  /// Puts the results of an evaluation into result.json under eval/<name>, beside what is there;
  /// evaluations that run at once wait for each other here.
  /// Errors: io, if result.json is damaged or cannot be written.
  void add_evaluation(const std::string& name, const nlohmann::json&);

 private:
  RunFolder(std::filesystem::path path, Config config, Provenance provenance, Access access);
  void write_config() const;

  std::filesystem::path path_;
  Config config_;
  Provenance provenance_;
  bool writes_;
  std::optional<FolderLock> lock_;
};

}  // namespace metatape
