#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/mapped_file.h"
#include "engine/io/paths.h"
#include "engine/io/safetensors.h"
#include "meta/data/packed_set.h"
#include "meta/training/run_folder.h"
#include "tools/metatape/command.h"

namespace metatape {
namespace {

void run_info(const std::string& path, const Output& output) {
  const RunFolder folder = RunFolder::open(path);
  const auto latest = folder.latest_checkpoint();
  nlohmann::json j{{"kind", "run"},
                   {"recipe", folder.provenance().recipe},
                   {"data", folder.provenance().data_path},
                   {"settings", to_json(folder.config())},
                   {"checkpoint", latest ? latest->string() : ""}};
  output.result(j, fmt::format("run {}\nlatest checkpoint: {}\n{}", path,
                               latest ? latest->string() : "none", j["settings"].dump(2)));
}

void data_info(const std::string& path, const Output& output) {
  const PackedSet set = PackedSet::open(path);
  const PackedHeader& h = set.header();
  nlohmann::json splits = nlohmann::json::object();
  std::string text =
      fmt::format("data set {} ({}): {} classes, {} images of {}x{}x{}, {}\n", path, h.kind,
                  h.classes.size(), h.image_count(), h.height, h.width, h.channels, h.scale);
  for (const PackedSplit& s : h.splits) {
    splits[s.name] = {
        {"train", s.train.size()}, {"validation", s.validation.size()}, {"test", s.test.size()}};
    text += fmt::format("  split {}: {} train, {} validation, {} test classes\n", s.name,
                        s.train.size(), s.validation.size(), s.test.size());
  }
  text += fmt::format("  sha256 of the images {} (checked)", set.digest());
  output.result({{"kind", "data"},
                 {"name", h.kind},
                 {"classes", h.classes.size()},
                 {"images", h.image_count()},
                 {"height", h.height},
                 {"width", h.width},
                 {"channels", h.channels},
                 {"splits", splits},
                 {"sha256", set.digest()}},
                text);
}

void tensors_info(const std::string& path, const Output& output) {
  const SafetensorsFile file(path);
  nlohmann::json tensors = nlohmann::json::object();
  std::string text = fmt::format("tensors in {}:\n", path);
  for (const std::string& name : file.names()) {
    const TensorView& t = file.at(name);
    tensors[name] = {{"dtype", name_of(t.dtype)}, {"shape", t.shape}};
    text += fmt::format("  {:<40} {} [{}]\n", name, name_of(t.dtype), fmt::join(t.shape, ","));
  }
  for (const auto& [key, value] : file.metadata()) text += fmt::format("  {} = {}\n", key, value);
  output.result({{"kind", "tensors"}, {"tensors", tensors}, {"metadata", file.metadata()}}, text);
}

/// A safetensors file under whatever name: its header is JSON and begins after eight bytes.
bool holds_tensors(const std::string& path) {
  constexpr std::size_t kHeaderAt = 8;
  const MappedFile file(path);
  return file.bytes().size() > kHeaderAt && file.bytes()[kHeaderAt] == std::byte{'{'};
}

}  // namespace

void info_command(const std::string& path, const Output& output) {
  if (is_folder(path)) return run_info(path, output);
  if (path.ends_with(".safetensors") || holds_tensors(path)) return tensors_info(path, output);
  data_info(path, output);
}

}  // namespace metatape
