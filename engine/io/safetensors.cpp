#include "engine/io/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <tuple>

#include "engine/error.h"
#include "engine/io/strict_json.h"

namespace metatape {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");
static_assert(SafetensorsLimits::kNameBytes == kLongestJsonKey, "names are keys of the header");

struct DTypeRow {
  FileDType dtype;
  std::string_view name;
  std::size_t size;
};

constexpr std::array<DTypeRow, 5> kDTypes = {{{FileDType::f32, "F32", 4},
                                              {FileDType::f64, "F64", 8},
                                              {FileDType::i32, "I32", 4},
                                              {FileDType::i64, "I64", 8},
                                              {FileDType::u8, "U8", 1}}};

const DTypeRow& row_of(FileDType dtype) { return kDTypes[static_cast<std::size_t>(dtype)]; }

/// [begin, end) of a tensor, in bytes after the header.
struct Extent {
  std::size_t begin = 0, end = 0;

  auto operator<=>(const Extent&) const = default;
};

/// The header's claims about one tensor, each checked on its own.
class TensorEntry {
 public:
  TensorEntry(const std::string& file, const std::string& name, const json& entry)
      : file_(file), name_(name), entry_(entry) {
    if (!entry.is_object()) refuse("is a JSON {}; an object is expected", entry.type_name());
    if (entry.size() != 3)
      refuse("has {} entries; exactly dtype, shape and data_offsets are expected", entry.size());
  }

  Extent extent() const {
    const auto offsets = integers("data_offsets", 2, 2, "a list of two offsets");
    if (offsets[0] > offsets[1])
      refuse("begins at {} and ends before, at {}", offsets[0], offsets[1]);
    return {std::size_t(offsets[0]), std::size_t(offsets[1])};
  }

  TensorView view_into(std::span<const std::byte> data) const {
    TensorView tensor{dtype(), shape(), {}};
    const Extent found = extent();
    const std::optional<std::size_t> bytes = bytes_of(tensor.dtype, tensor.shape);
    if (!bytes) refuse("has more bytes than can be counted");
    if (*bytes != found.end - found.begin)
      refuse("has {} bytes of data; {} follow from its dtype and shape", found.end - found.begin,
             *bytes);
    if (found.end > data.size())
      refuse("ends at byte {} of the data, but the file holds {}", found.end, data.size());
    tensor.bytes = data.subspan(found.begin, *bytes);
    return tensor;
  }

 private:
  template <class... A>
  [[noreturn]] void refuse(fmt::format_string<A...> text, A&&... args) const {
    fail(ErrorKind::io, file_,
         "tensor \"{}\" {}; the file is damaged or from another writer: "
         "restore it or save it again",
         name_, fmt::format(text, std::forward<A>(args)...));
  }

  FileDType dtype() const {
    const std::string found = json_string(entry_, "dtype", 16, subject());
    for (const DTypeRow& row : kDTypes)
      if (row.name == found) return row.dtype;
    refuse("has dtype {}; F32, F64, I32, I64 or U8 is expected: convert it before saving", found);
  }

  std::vector<std::int64_t> shape() const {
    return integers("shape", 0, SafetensorsLimits::kRank, "a list of at most 8 extents");
  }

  std::string subject() const { return fmt::format("{}: tensor \"{}\"", file_, name_); }

  std::vector<std::int64_t> integers(const char* key, std::size_t fewest, std::size_t most,
                                     std::string_view expected) const {
    const auto list = entry_.find(key);
    if (list == entry_.end()) refuse("has no {}", key);
    if (!list->is_array() || list->size() < fewest || list->size() > most)
      refuse("has a {} that is not {}", key, expected);
    std::vector<std::int64_t> values;
    for (const json& value : *list) {
      if (!value.is_number_unsigned() || value.get<std::uint64_t>() > INT64_MAX)
        refuse("has {} in its {}; an integer from 0 is expected",
               value.is_number() ? value.dump() : value.type_name(), key);
      values.push_back(value.get<std::int64_t>());
    }
    return values;
  }

  const std::string& file_;
  const std::string& name_;
  const json& entry_;
};

/// The JSON text of the header; the data follow it.
std::string_view header_text(std::span<const std::byte> bytes, const std::string& file) {
  std::uint64_t size = 0;
  if (bytes.size() < sizeof size)
    fail(ErrorKind::io, file,
         "is {} bytes long, shorter than the 8 bytes that begin a safetensors "
         "file; restore it",
         bytes.size());
  std::memcpy(&size, bytes.data(), sizeof size);
  if (size > SafetensorsLimits::kHeaderBytes)
    fail(ErrorKind::io, file,
         "claims a header of {} bytes; at most {} are read. Is it a safetensors "
         "file?",
         size, SafetensorsLimits::kHeaderBytes);
  const std::span<const std::byte> rest = bytes.subspan(sizeof size);
  if (size > rest.size())
    fail(ErrorKind::io, file,
         "claims a header of {} bytes, but only {} follow; it was cut off: "
         "restore it",
         size, rest.size());
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), size);
  if (!text.starts_with('{'))
    fail(ErrorKind::io, file,
         "has a header that does not begin with '{{'; is it a safetensors file?");
  return text;
}

std::map<std::string, std::string> read_metadata(const json& header, const std::string& file) {
  std::map<std::string, std::string> metadata;
  const auto found = header.find("__metadata__");
  if (found == header.end()) return metadata;
  if (!found->is_object())
    fail(ErrorKind::io, file, "has a JSON {} as __metadata__; an object of texts is expected",
         found->type_name());
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string())
      fail(ErrorKind::io, file, "has a JSON {} as metadata \"{}\"; a text is expected",
           value.type_name(), key);
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

}  // namespace

std::string_view name_of(FileDType dtype) { return row_of(dtype).name; }
std::size_t size_of(FileDType dtype) { return row_of(dtype).size; }

std::optional<std::size_t> bytes_of(FileDType dtype, std::span<const std::int64_t> shape) {
  std::size_t bytes = size_of(dtype);
  for (const std::int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(bytes, std::size_t(extent), &bytes)) return {};
  return bytes;
}

SafetensorsFile::SafetensorsFile(std::filesystem::path path)
    : path_(std::move(path)), file_(path_) {
  const std::string file = path_.string();
  const std::string_view text = header_text(file_.bytes(), file);
  const auto data = file_.bytes().subspan(sizeof(std::uint64_t) + text.size());
  const json header = parse_strict_json(text, file);
  metadata_ = read_metadata(header, file);
  const std::size_t count = header.size() - header.count("__metadata__");
  if (count > SafetensorsLimits::kTensors)
    fail(ErrorKind::io, file, "holds {} tensors; at most {} are read: split it", count,
         SafetensorsLimits::kTensors);

  std::vector<std::tuple<Extent, std::string>> order;
  for (const auto& [name, json_entry] : header.items()) {
    if (name == "__metadata__") continue;
    const TensorEntry entry(file, name, json_entry);
    tensors_.emplace(name, entry.view_into(data));
    order.emplace_back(entry.extent(), name);
  }
  std::sort(order.begin(), order.end());
  std::size_t end = 0;
  for (const auto& [extent, name] : order) {
    if (extent.begin != end)
      fail(ErrorKind::io, file,
           "tensor \"{}\" begins at byte {} of the data; {} is expected, without hole or overlap: "
           "save the file again",
           name, extent.begin, end);
    end = extent.end;
    names_.push_back(name);
  }
  if (end != data.size())
    fail(ErrorKind::io, file, "has {} bytes after its last tensor; none are expected: restore it",
         data.size() - end);
}

const TensorView* SafetensorsFile::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

const TensorView& SafetensorsFile::at(const std::string& name) const {
  if (const TensorView* tensor = find(name)) return *tensor;
  fail(ErrorKind::io, path_.string(), "has no tensor \"{}\"; it was written for something else",
       name);
}

const TensorView& SafetensorsFile::at(const std::string& name, FileDType dtype) const {
  const TensorView& tensor = at(name);
  if (tensor.dtype != dtype)
    fail(ErrorKind::io, path_.string(), "tensor \"{}\" has dtype {}; {} is expected: convert it",
         name, name_of(tensor.dtype), name_of(dtype));
  return tensor;
}

}  // namespace metatape
