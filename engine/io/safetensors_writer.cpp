#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/atomic_file.h"
#include "engine/io/safetensors.h"

namespace metatape {
namespace {

constexpr std::size_t kAlignment = 8;  // of the first byte of data in the file

/// `text` as a JSON string, with its quotation marks.
std::string quoted(const std::string& text) {
  if (text.find('\0') != std::string::npos)
    fail(ErrorKind::usage, "safetensors", "\"{}\" holds a NUL character; remove it", text.c_str());
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::usage, "safetensors", "a name or a metadata text is not UTF-8; convert it");
  }
}

}  // namespace

SafetensorsWriter& SafetensorsWriter::add(std::string name, FileDType dtype,
                                          std::vector<std::int64_t> shape,
                                          std::span<const std::byte> bytes) {
  const std::optional<std::size_t> expected = bytes_of(dtype, shape);
  if (expected != bytes.size())
    fail(ErrorKind::usage, name, "{} bytes do not fit {} [{}]", bytes.size(), name_of(dtype),
         fmt::join(shape, ","));
  if (shape.size() > SafetensorsLimits::kRank)
    fail(ErrorKind::usage, name, "rank {} was given; at most {} can be saved: reshape it",
         shape.size(), SafetensorsLimits::kRank);
  if (name == "__metadata__" || name.size() > SafetensorsLimits::kNameBytes)
    fail(ErrorKind::usage, name.substr(0, 40), "cannot be the name of a tensor; choose another");
  if (!names_.insert(name).second)
    fail(ErrorKind::usage, name, "was added twice; give each tensor its own name");
  tensors_.emplace_back(std::move(name), TensorView{dtype, std::move(shape), bytes});
  return *this;
}

SafetensorsWriter& SafetensorsWriter::set_metadata(std::string key, std::string value) {
  if (key.size() > SafetensorsLimits::kNameBytes)
    fail(ErrorKind::usage, key, "has {} bytes, a key of metadata at most {}; shorten it",
         key.size(), SafetensorsLimits::kNameBytes);
  metadata_[std::move(key)] = std::move(value);
  return *this;
}

std::string SafetensorsWriter::header() const {
  std::vector<std::string> entries;
  if (!metadata_.empty()) {
    std::vector<std::string> texts;
    texts.reserve(metadata_.size());
    for (const auto& [key, value] : metadata_)
      texts.push_back(fmt::format("{}:{}", quoted(key), quoted(value)));
    entries.push_back(fmt::format("\"__metadata__\":{{{}}}", fmt::join(texts, ",")));
  }
  std::size_t begin = 0;
  for (const auto& [name, tensor] : tensors_) {
    const std::size_t end = begin + tensor.bytes.size();
    entries.push_back(fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                                  quoted(name), name_of(tensor.dtype), fmt::join(tensor.shape, ","),
                                  begin, end));
    begin = end;
  }
  std::string text = fmt::format("{{{}}}", fmt::join(entries, ","));
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

void SafetensorsWriter::write(const std::filesystem::path& path) const {
  const std::string text = header();
  if (text.size() > SafetensorsLimits::kHeaderBytes ||
      tensors_.size() > SafetensorsLimits::kTensors)
    fail(ErrorKind::usage, path.string(),
         "{} tensors with a header of {} bytes are more than can "
         "be read again ({}, {}); use several files",
         tensors_.size(), text.size(), SafetensorsLimits::kTensors,
         SafetensorsLimits::kHeaderBytes);
  const std::uint64_t size = text.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&size, 1)));
  file.write(text);
  for (const auto& [name, tensor] : tensors_) file.write(tensor.bytes);
  file.commit();
}

}  // namespace metatape
