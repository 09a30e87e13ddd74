#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "meta/data/packed_header.h"

namespace metatape {

/// How many classes each part gets.
struct PartSizes {
  std::int64_t train = 0, validation = 0, test = 0;
};

/// 64 / 16 / 20 percent, rounded so that they add up to `classes`.
PartSizes usual_part_sizes(std::int64_t classes);

/// A fixed random permutation of the classes, cut into three.
PackedSplit shuffled_split(std::string name, PartSizes);

/// Classes in the order of the SHA-256 of their names, cut 64/16/20: which classes come together
/// does not depend on the order of the files.
PackedSplit name_hash_split(std::string name, std::span<const std::string> classes);

/// A split that somebody else fixed. `path` is one of
///   a CSV file with the columns "class" and "split" (train, val or validation, test);
///   a folder with train, val (or validation) and test, each either .csv with a column "label" (one
///   line per image) or .txt with one class per line; "/rot000" and the like at the end of a class,
///   which list its rotations as classes of their own, are dropped.
/// Errors: io, naming the file: no such column or part, a class in two parts, classes that are not
/// in the set (the first few by name).
PackedSplit read_split(const std::filesystem::path& path, std::string name,
                       std::span<const std::string> classes);

/// A sentence on the classes that are in no part; empty if all are in one.
std::string unused_classes_note(const PackedSplit&, std::span<const std::string> classes);

}  // namespace metatape
