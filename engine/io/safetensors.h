#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/io/mapped_file.h"

// Named tensors in a file: an 8-byte little-endian header length, a JSON header
//   {"__metadata__": {text: text}, name: {"dtype": "F32", "shape": [2,3], "data_offsets": [0,24]}}
// and the row-major, little-endian data, one tensor after the other.
// Source: https://huggingface.co/docs/safetensors, section "Format".

namespace metatape {

/// Element types on file. Other types of the format are refused by name.
enum class FileDType { f32, f64, i32, i64, u8 };

std::string_view name_of(FileDType);  ///< as in the file: "F32", "F64", "I32", "I64", "U8"
std::size_t size_of(FileDType);       ///< bytes of one element

template <class T>
constexpr FileDType file_dtype_of() {
  if constexpr (std::is_same_v<T, float>) return FileDType::f32;
  if constexpr (std::is_same_v<T, double>) return FileDType::f64;
  if constexpr (std::is_same_v<T, std::int32_t>) return FileDType::i32;
  if constexpr (std::is_same_v<T, std::int64_t>) return FileDType::i64;
  if constexpr (std::is_same_v<T, std::uint8_t>) return FileDType::u8;
}

/// Null, if an extent is negative or the product does not fit.
std::optional<std::size_t> bytes_of(FileDType, std::span<const std::int64_t> shape);

struct SafetensorsLimits {
  static constexpr std::size_t kHeaderBytes = 16 << 20;
  static constexpr std::size_t kTensors = 100'000;
  static constexpr std::size_t kRank = 8;
  static constexpr std::size_t kNameBytes = 1024;
};

/// One tensor of an open file; valid while the SafetensorsFile lives.
struct TensorView {
  FileDType dtype = FileDType::f32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;
};

/// A mapped file whose header was checked completely before the first tensor is handed out.
///
/// Errors: io, naming the file, the tensor, what was found and what was expected, for anything that
/// is not exactly as the format says: extra or missing bytes, holes, overlaps, duplicate names; and
/// for anything beyond SafetensorsLimits.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  /// In the order of their data.
  const std::vector<std::string>& names() const { return names_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Null if there is no such tensor.
  const TensorView* find(const std::string& name) const;
  /// Errors: io, if there is no such tensor.
  const TensorView& at(const std::string& name) const;
  /// A copy, because the format does not align tensors. Errors: io, if the tensor is missing or of
  /// another type.
  template <class T>
  std::vector<T> values(const std::string& name) const;

 private:
  const TensorView& at(const std::string& name, FileDType) const;

  std::filesystem::path path_;
  MappedFile file_;
  std::vector<std::string> names_;
  std::map<std::string, TensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Collects named tensors and writes them in the order in which they were added. The same calls
/// give the same bytes. It keeps views: the data must live until write().
class SafetensorsWriter {
 public:
  /// Errors: usage, for what the reader would refuse: duplicate or bad name, negative extent, or a
  /// number of bytes that does not follow from dtype and shape.
  SafetensorsWriter& add(std::string name, FileDType dtype, std::vector<std::int64_t> shape,
                         std::span<const std::byte> bytes);

  template <class T>
  SafetensorsWriter& add(std::string name, std::vector<std::int64_t> shape,
                         const std::vector<T>& values) {
    return add(std::move(name), file_dtype_of<T>(), std::move(shape),
               std::as_bytes(std::span(values)));
  }

  SafetensorsWriter& set_metadata(std::string key, std::string value);

  /// Replaces the file at once or not at all (AtomicFile).
  void write(const std::filesystem::path&) const;

 private:
  std::string header() const;

  std::vector<std::pair<std::string, TensorView>> tensors_;
  std::set<std::string> names_;
  std::map<std::string, std::string> metadata_;
};

template <class T>
std::vector<T> SafetensorsFile::values(const std::string& name) const {
  const std::span<const std::byte> bytes = at(name, file_dtype_of<T>()).bytes;
  std::vector<T> copy(bytes.size() / sizeof(T));
  if (!copy.empty()) std::memcpy(copy.data(), bytes.data(), bytes.size());
  return copy;
}

}  // namespace metatape
