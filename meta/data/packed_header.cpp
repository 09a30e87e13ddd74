#include "meta/data/packed_header.h"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "engine/error.h"
#include "engine/io/strict_json.h"

namespace metatape {

namespace {

using nlohmann::json;

constexpr std::int64_t kLargestExtent = 16384;
constexpr std::int64_t kLargestImage = std::int64_t{256} << 20;
constexpr std::int64_t kMostImages = std::int64_t{1} << 31;
constexpr std::size_t kMostClasses = 100'000;
constexpr std::size_t kMostSplits = 64;
constexpr std::size_t kMostSources = 1024;
constexpr std::size_t kLongestName = 1024;
constexpr std::size_t kSha256Digits = 64;
constexpr const char* kRemedy = "copy the file again, or make it again with metatape pack";

const json& array_at(const json& object, const char* key, std::size_t longest,
                     const std::string& subject) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_array())
    fail(ErrorKind::io, subject, "the header has no list '{}'; {}", key, kRemedy);
  const json& list = object[key];
  if (list.size() > longest)
    fail(ErrorKind::io, subject, "the header's list '{}' has {} entries, at most {} are allowed",
         key, list.size(), longest);
  return list;
}

std::vector<std::int32_t> class_indices(const json& split, const char* part, std::int64_t classes,
                                        const std::string& subject) {
  std::vector<std::int32_t> indices;
  for (const json& index : array_at(split, part, kMostClasses, subject)) {
    const bool fits =
        index.is_number_unsigned() && index.get<std::uint64_t>() < std::uint64_t(classes);
    if (!fits)
      fail(ErrorKind::io, subject, "part '{}' of a split names class {}, classes are 0..{}; {}",
           part, index.dump(), classes - 1, kRemedy);
    indices.push_back(index.get<std::int32_t>());
  }
  return indices;
}

void check_classes(const PackedHeader& header, const std::string& subject) {
  if (header.classes.empty()) fail(ErrorKind::io, subject, "the set has no classes");
  if (header.classes.size() > kMostClasses)
    fail(ErrorKind::io, subject, "{} classes found, at most {} are allowed", header.classes.size(),
         kMostClasses);
  std::unordered_set<std::string_view> names;
  std::int64_t next = 0;
  for (const PackedClass& c : header.classes) {
    if (c.name.empty() || c.name.size() > kLongestName)
      fail(ErrorKind::io, subject, "a class name has {} bytes, expected 1..{}", c.name.size(),
           kLongestName);
    if (!names.insert(c.name).second)
      fail(ErrorKind::io, subject, "class '{}' is listed twice", c.name);
    if (c.first != next)
      fail(ErrorKind::io, subject, "class '{}' starts at image {}, expected {}; {}", c.name,
           c.first, next, kRemedy);
    if (c.count < 1 || c.count > kMostImages - next)
      fail(ErrorKind::io, subject, "class '{}' has {} images, expected 1..{}", c.name, c.count,
           kMostImages - next);
    next += c.count;
  }
}

void check_split(const PackedSplit& split, std::size_t classes, const std::string& subject) {
  if (split.name.empty() || split.name.size() > kLongestName)
    fail(ErrorKind::io, subject, "a split name has {} bytes, expected 1..{}", split.name.size(),
         kLongestName);
  std::vector<bool> used(classes, false);
  for (const auto* part : {&split.train, &split.validation, &split.test}) {
    for (std::int32_t index : *part) {
      if (index < 0 || std::size_t(index) >= classes)
        fail(ErrorKind::io, subject, "split '{}' names class {}, classes are 0..{}", split.name,
             index, classes - 1);
      if (used[std::size_t(index)])
        fail(ErrorKind::io, subject, "split '{}' uses class {} twice; parts must be disjoint",
             split.name, index);
      used[std::size_t(index)] = true;
    }
  }
}

}  // namespace

void check_header(const PackedHeader& header, const std::string& subject) {
  for (std::int64_t extent : {header.height, header.width})
    if (extent < 1 || extent > kLargestExtent)
      fail(ErrorKind::io, subject, "image extents {} x {} found, expected 1..{}", header.height,
           header.width, kLargestExtent);
  if (header.channels != 1 && header.channels != 3)
    fail(ErrorKind::io, subject, "{} channels found, expected 1 or 3", header.channels);
  if (header.image_bytes() > kLargestImage)
    fail(ErrorKind::io, subject, "one image has {} bytes, at most {} are allowed",
         header.image_bytes(), kLargestImage);
  check_classes(header, subject);
  if (header.splits.empty()) fail(ErrorKind::io, subject, "the set has no split into parts");
  std::unordered_set<std::string_view> names;
  for (const PackedSplit& split : header.splits) {
    check_split(split, header.classes.size(), subject);
    if (!names.insert(split.name).second)
      fail(ErrorKind::io, subject, "split '{}' is listed twice", split.name);
  }
}

std::string header_to_json(const PackedHeader& header, const std::string& subject) {
  json classes = json::array(), splits = json::array(), sources = json::array();
  for (const PackedClass& c : header.classes)
    classes.push_back({{"name", c.name}, {"first", c.first}, {"count", c.count}});
  for (const PackedSplit& s : header.splits)
    splits.push_back(
        {{"name", s.name}, {"train", s.train}, {"validation", s.validation}, {"test", s.test}});
  for (const PackedSource& s : header.sources)
    sources.push_back({{"file", s.file}, {"sha256", s.sha256}});
  const json all = {{"kind", header.kind},
                    {"height", header.height},
                    {"width", header.width},
                    {"channels", header.channels},
                    {"scale", header.scale},
                    {"classes", std::move(classes)},
                    {"splits", std::move(splits)},
                    {"sources", std::move(sources)},
                    {"payload_sha256", header.payload_sha256}};
  try {
    return all.dump();
  } catch (const json::type_error&) {
    fail(ErrorKind::io, subject, "a class or file name is not UTF-8; rename it and pack again");
  }
}

PackedHeader header_from_json(std::string_view text, const std::string& subject) {
  const json all = parse_strict_json(text, subject);
  PackedHeader header;
  header.kind = json_string(all, "kind", kLongestName, subject);
  header.height = json_integer(all, "height", 1, kLargestExtent, subject);
  header.width = json_integer(all, "width", 1, kLargestExtent, subject);
  header.channels = json_integer(all, "channels", 1, 3, subject);
  header.scale = json_string(all, "scale", kLongestName, subject);
  header.payload_sha256 = json_string(all, "payload_sha256", kSha256Digits, subject);
  for (const json& c : array_at(all, "classes", kMostClasses, subject))
    header.classes.push_back({.name = json_string(c, "name", kLongestName, subject),
                              .first = json_integer(c, "first", 0, kMostImages, subject),
                              .count = json_integer(c, "count", 1, kMostImages, subject)});
  const auto classes = std::int64_t(header.classes.size());
  for (const json& s : array_at(all, "splits", kMostSplits, subject))
    header.splits.push_back({.name = json_string(s, "name", kLongestName, subject),
                             .train = class_indices(s, "train", classes, subject),
                             .validation = class_indices(s, "validation", classes, subject),
                             .test = class_indices(s, "test", classes, subject)});
  for (const json& s : array_at(all, "sources", kMostSources, subject))
    header.sources.push_back({.file = json_string(s, "file", kLongestName, subject),
                              .sha256 = json_string(s, "sha256", kSha256Digits, subject)});
  check_header(header, subject);
  return header;
}

}  // namespace metatape
