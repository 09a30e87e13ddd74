#include "meta/training/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/paths.h"
#include "engine/io/strict_json.h"
#include "engine/io/text_file.h"

namespace metatape {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using namespace nlohmann::literals;

constexpr int kKeptCheckpoints = 2;

constexpr std::size_t kLargestConfig = 1 << 20, kLargestResult = 16 << 20;

std::vector<fs::path> checkpoints(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with("checkpoint-") && name.ends_with(".safetensors"))
      found.push_back(at->path());
  }
  if (error) fail(ErrorKind::io, folder.string(), "cannot list the folder: {}", error.message());
  std::sort(found.begin(), found.end());  // the iteration is padded with zeros
  return found;
}

/// A run that somebody else made may hold a link in the place of its metrics: what is written and
/// dropped there would be another file's.
void require_own_file(const fs::path& file) {
  std::error_code ignored;
  const fs::file_status status = fs::symlink_status(file, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status))
    fail(ErrorKind::io, file.string(),
         "is a link, a folder, a pipe or a device; a file of the run is expected: move it away");
}

}  // namespace

RunFolder::RunFolder(fs::path path, Config config, Provenance provenance, Access access)
    : path_(std::move(path)),
      config_(std::move(config)),
      provenance_(std::move(provenance)),
      writes_(access != Access::read) {}

bool RunFolder::exists(const fs::path& path) { return is_there(path / "config.json"); }

RunFolder RunFolder::create(const fs::path& path, const Config& config,
                            const Provenance& provenance, Access access) {
  RunFolder run(path, config, provenance, access);
  if (!run.writes_) return run;
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(ErrorKind::io, path.string(), "cannot create the folder: {}", error.message());
  if (access == Access::train) run.lock_.emplace(path);
  if (exists(path))
    fail(ErrorKind::usage, path.string(),
         "the folder holds a run already; continue it with --resume or choose another --out");
  run.write_config();
  return run;
}

RunFolder RunFolder::open(const fs::path& path, Access access) {
  const fs::path file = path / "config.json";
  if (!exists(path))
    fail(ErrorKind::io, file.string(),
         "there is no such file; expected the folder of a metatape run");
  std::optional<FolderLock> lock;
  if (access == Access::train) lock.emplace(path);
  const TextFile config_file(file, kLargestConfig, "the file of a metatape run");
  const json stored = parse_strict_json(config_file.text(), file.string());
  if (!stored.is_object() || !stored.contains("settings"))
    fail(ErrorKind::io, file.string(),
         "it has no \"settings\"; expected the file of a metatape run");
  Config config;
  apply_json(config, stored["settings"], file.string());
  auto text_at = [&](const char* key) {
    const json found = stored.value("/provenance"_json_pointer / key, json());
    return found.is_string() ? found.get<std::string>() : std::string();
  };
  const Provenance provenance{.recipe = text_at("recipe"),
                              .version = text_at("metatape"),
                              .data_path = text_at("data"),
                              .data_sha256 = text_at("data_sha256")};
  RunFolder run(path, config, provenance, access);
  run.lock_ = std::move(lock);
  if (run.writes_) remove_stale_temporaries(path);
  return run;
}

void RunFolder::set_config(const Config& config) {
  config_ = config;
  write_config();
}

void RunFolder::write_config() const {
  if (!writes_) return;
  const json provenance{{"recipe", provenance_.recipe},
                        {"metatape", provenance_.version},
                        {"data", provenance_.data_path},
                        {"data_sha256", provenance_.data_sha256}};
  const json text{{"format", 1}, {"provenance", provenance}, {"settings", to_json(config_)}};
  write_file_atomically(path_ / "config.json", json_text(text, 2) + "\n");
}

std::optional<fs::path> RunFolder::latest_checkpoint() const {
  const std::vector<fs::path> found = checkpoints(path_);
  if (found.empty()) return std::nullopt;
  return found.back();
}

fs::path RunFolder::save(std::int64_t iteration, const Checkpoint& checkpoint,
                         std::span<const Parameter> parameters) {
  fs::path file = path_ / fmt::format("checkpoint-{:010}.safetensors", iteration);
  if (!writes_) return file;
  save_checkpoint(file, checkpoint, parameters);
  std::vector<fs::path> all = checkpoints(path_);
  std::error_code ignored;  // one that cannot be removed does no harm
  for (std::size_t i = 0; i + kKeptCheckpoints < all.size(); ++i) fs::remove(all[i], ignored);
  return file;
}

void RunFolder::append_metrics(const json& line) {
  if (!writes_) return;
  const fs::path file = path_ / "metrics.jsonl";
  require_own_file(file);
  const std::string text = json_text(line) + "\n";
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const std::int64_t before = metrics_bytes();
  const ssize_t written = descriptor < 0 ? -1 : ::write(descriptor, text.data(), text.size());
  const int reason = written < 0 ? errno : ENOSPC;  // less than all: the disk took what it could
  const bool whole = written == ssize_t(text.size());
  const bool clean = whole || written <= 0 || ::ftruncate(descriptor, before) == 0;
  if (descriptor >= 0) ::close(descriptor);
  if (!whole)
    fail(ErrorKind::io, file.string(),
         "cannot append {} bytes: {}{}; the last checkpoint is intact: free space there, then "
         "continue with --resume",
         text.size(), std::strerror(reason), clean ? "" : " (half a line was written)");
}

std::int64_t RunFolder::metrics_bytes() const {
  std::error_code error;
  const auto bytes = fs::file_size(path_ / "metrics.jsonl", error);
  return error ? 0 : std::int64_t(bytes);
}

void RunFolder::truncate_metrics(std::int64_t bytes) {
  if (!writes_ || metrics_bytes() <= bytes) return;
  const fs::path file = path_ / "metrics.jsonl";
  require_own_file(file);
  std::error_code error;
  fs::resize_file(file, std::uintmax_t(bytes), error);
  if (error)
    fail(ErrorKind::io, file.string(), "cannot drop the lines after the checkpoint: {}",
         error.message());
}

json RunFolder::result() const {
  const fs::path file = path_ / "result.json";
  if (!is_there(file)) return json::object();
  const TextFile text(file, kLargestResult, "the result of a run");
  json result = parse_strict_json(text.text(), file.string());
  if (!result.is_object() || !result.value("eval", json::object()).is_object())
    fail(ErrorKind::io, file.string(),
         "expected an object with \"train\" and \"eval\"; move it away and evaluate again");
  return result;
}

void RunFolder::write_result(const json& result) {
  if (!writes_) return;
  write_file_atomically(path_ / "result.json", json_text(result, 2) + "\n");
}

void RunFolder::add_evaluation(const std::string& name, const json& evaluation) {
  if (!writes_) return;
  const FolderLock lock(path_, ".result.lock", FolderLock::Busy::wait);
  json results = result();
  results["eval"][name] = evaluation;
  write_result(results);
}

}  // namespace metatape
