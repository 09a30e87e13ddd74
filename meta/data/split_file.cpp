// read_split() of class_split.h: splits that somebody else fixed.

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "engine/error.h"
#include "engine/io/paths.h"
#include "meta/data/class_split.h"
#include "meta/data/csv.h"
#include "meta/data/name_list.h"

namespace metatape {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostUnknown = 1000;  // by then it is the wrong list

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
      if (unknown_.size() > kMostUnknown) refuse_unknown();
      return;
    }
    const auto [entry, is_new] = part_of_.emplace(found->second, part);
    if (!is_new && entry->second != part)
      fail(ErrorKind::io, subject_, "class '{}' is in {} and in {}; keep one", name, entry->second,
           part);
  }

  PackedSplit finish(std::string name) const {
    if (!unknown_.empty()) refuse_unknown();
    PackedSplit split{.name = std::move(name)};
    for (const auto& [index, part] : part_of_)
      (part == "train"  ? split.train
       : part == "test" ? split.test
                        : split.validation)
          .push_back(index);
    return split;
  }

 private:
  [[noreturn]] void refuse_unknown() const {
    const std::vector<std::string> names(unknown_.begin(), unknown_.end());
    fail(ErrorKind::io, subject_,
         "{}{} classes of the split are not among the {} classes of the images: {}; check the "
         "spelling or take them out",
         names.size() > kMostUnknown ? "at least " : "", names.size(), index_.size(),
         name_list(names));
  }

  std::string subject_;
  std::map<std::string, std::int32_t> index_;
  std::map<std::int32_t, std::string> part_of_;
  std::set<std::string> unknown_;
};

/// A CSV whose first line names its columns, of which some are looked at.
class Table {
 public:
  explicit Table(const fs::path& path) : subject_(path.string()), file_(path) {
    if (!file_.next(header_)) fail(ErrorKind::io, subject_, "is empty");
  }

  std::size_t column(const std::string& name) const {
    const auto found = std::ranges::find(header_, name);
    if (found == header_.end())
      fail(ErrorKind::io, subject_, "has no column '{}' in its first line; found: {}", name,
           name_list(header_));
    return std::size_t(found - header_.begin());
  }

  bool next() { return file_.next(row_); }

  const std::string& at(std::size_t column) const {
    if (column >= row_.size())
      fail(ErrorKind::io, subject_, "line {} has {} fields, its first line has {}",
           file_.line_number(), row_.size(), header_.size());
    return row_[column];
  }

 private:
  std::string subject_;
  CsvReader file_;
  std::vector<std::string> header_, row_;
};

std::string without_rotation(std::string name) {
  const std::size_t slash = name.rfind('/');
  if (slash != name.npos && name.compare(slash + 1, 3, "rot") == 0) name.resize(slash);
  return name;
}

void read_part(const fs::path& path, const std::string& part, SplitBuilder& builder) {
  if (path.extension() == ".txt") {
    CsvReader file(path);
    for (std::vector<std::string> row; file.next(row);) builder.put(without_rotation(row[0]), part);
    return;
  }
  Table table(path);
  const std::size_t label = table.column("label");
  while (table.next()) builder.put(table.at(label), part);
}

std::optional<fs::path> part_file(const fs::path& folder, const std::string& part) {
  const std::vector<std::string> names =
      part == "validation" ? std::vector<std::string>{"val", "validation"} : std::vector{part};
  for (const std::string& name : names)
    for (const char* extension : {".csv", ".txt"})
      if (is_there(folder / (name + extension))) return folder / (name + extension);
  return std::nullopt;
}

}  // namespace

PackedSplit read_split(const fs::path& path, std::string name,
                       std::span<const std::string> classes) {
  SplitBuilder builder(classes, path.string());
  if (is_folder(path)) {
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
  Table table(path);
  const std::size_t class_at = table.column("class"), part_at = table.column("split");
  while (table.next()) {
    const std::string& part = table.at(part_at);
    builder.put(table.at(class_at), part == "val" ? "validation" : part);
  }
  return builder.finish(std::move(name));
}

}  // namespace metatape
