// read_split() of class_split.h: splits that somebody else fixed.

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "engine/error.h"
#include "meta/data/class_split.h"
#include "meta/data/csv.h"
#include "meta/data/name_list.h"

namespace metatape {

namespace fs = std::filesystem;

namespace {

using Rows = std::vector<std::vector<std::string>>;

/// Collects (class, part) pairs and turns names into indices.
class SplitBuilder {
 public:
  SplitBuilder(std::span<const std::string> classes, std::string subject)
      : subject_(std::move(subject)) {
    for (std::size_t c = 0; c < classes.size(); ++c) index_[classes[c]] = std::int32_t(c);
  }

  void put(const std::string& name, const std::string& part) {
    if (part != "train" && part != "validation" && part != "test")
      fail(ErrorKind::io, subject_, "class '{}' is in part '{}'; there are train, val and test",
           name, part);
    const auto found = index_.find(name);
    if (found == index_.end()) {
      unknown_.insert(name);
      return;
    }
    const auto [entry, is_new] = part_of_.emplace(found->second, part);
    if (!is_new && entry->second != part)
      fail(ErrorKind::io, subject_, "class '{}' is in {} and in {}; keep one", name, entry->second,
           part);
  }

  PackedSplit finish(std::string name) const {
    if (!unknown_.empty()) {
      const std::vector<std::string> names(unknown_.begin(), unknown_.end());
      fail(ErrorKind::io, subject_,
           "{} classes of the split are not among the {} classes of the images: {}; check the "
           "spelling or take them out",
           names.size(), index_.size(), name_list(names));
    }
    PackedSplit split{.name = std::move(name)};
    for (const auto& [index, part] : part_of_)
      (part == "train"  ? split.train
       : part == "test" ? split.test
                        : split.validation)
          .push_back(index);
    return split;
  }

 private:
  std::string subject_;
  std::map<std::string, std::int32_t> index_;
  std::map<std::int32_t, std::string> part_of_;
  std::set<std::string> unknown_;
};

std::size_t column(const Rows& rows, const std::string& name, const fs::path& path) {
  if (rows.empty()) fail(ErrorKind::io, path.string(), "is empty");
  const auto found = std::ranges::find(rows[0], name);
  if (found == rows[0].end())
    fail(ErrorKind::io, path.string(), "has no column '{}' in its first line; found: {}", name,
         name_list(rows[0]));
  return std::size_t(found - rows[0].begin());
}

const std::string& field(const Rows& rows, std::size_t row, std::size_t column,
                         const fs::path& path) {
  if (column >= rows[row].size())
    fail(ErrorKind::io, path.string(), "row {} has {} fields, its first line has {}", row + 1,
         rows[row].size(), rows[0].size());
  return rows[row][column];
}

std::string without_rotation(std::string name) {
  const std::size_t slash = name.rfind('/');
  if (slash != name.npos && name.compare(slash + 1, 3, "rot") == 0) name.resize(slash);
  return name;
}

void read_part(const fs::path& path, const std::string& part, SplitBuilder& builder) {
  const Rows rows = read_csv(path);
  if (path.extension() == ".txt") {
    for (const auto& row : rows) builder.put(without_rotation(row[0]), part);
    return;
  }
  const std::size_t label = column(rows, "label", path);
  for (std::size_t r = 1; r < rows.size(); ++r) builder.put(field(rows, r, label, path), part);
}

std::optional<fs::path> part_file(const fs::path& folder, const std::string& part) {
  const std::vector<std::string> names =
      part == "validation" ? std::vector<std::string>{"val", "validation"} : std::vector{part};
  for (const std::string& name : names)
    for (const char* extension : {".csv", ".txt"})
      if (fs::exists(folder / (name + extension))) return folder / (name + extension);
  return std::nullopt;
}

}  // namespace

PackedSplit read_split(const fs::path& path, std::string name,
                       std::span<const std::string> classes) {
  SplitBuilder builder(classes, path.string());
  if (fs::is_directory(path)) {
    for (const std::string part : {"train", "validation", "test"}) {
      const std::optional<fs::path> file = part_file(path, part);
      if (!file)
        fail(ErrorKind::io, path.string(),
             "has no list of the {} classes; a split folder holds train, val and test, each as "
             ".csv or .txt",
             part);
      read_part(*file, part, builder);
    }
    return builder.finish(std::move(name));
  }
  const Rows rows = read_csv(path);
  const std::size_t class_at = column(rows, "class", path), part_at = column(rows, "split", path);
  for (std::size_t r = 1; r < rows.size(); ++r) {
    const std::string& part = field(rows, r, part_at, path);
    builder.put(field(rows, r, class_at, path), part == "val" ? "validation" : part);
  }
  return builder.finish(std::move(name));
}

}  // namespace metatape
