#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/mapped_file.h"
#include "meta/data/packed_header.h"

namespace metatape {

/// Images of one size, grouped by class, with named splits of the classes. Either a mapped .mtd
/// file (layout in packed_preamble.h) or held in memory.
class PackedSet {
 public:
  /// Maps the file and checks all of it: header, lengths, both checksums (about 1 GB/s).
  /// Errors: io, naming the file, what was found, what was expected, and the remedy.
  static PackedSet open(const std::filesystem::path&);

  /// The same thing without a file. Fills in the header's payload checksum.
  static PackedSet in_memory(PackedHeader, std::vector<std::uint8_t> images);

  PackedSet(PackedSet&&) noexcept = default;
  PackedSet& operator=(PackedSet&&) noexcept = default;

  const PackedHeader& header() const { return header_; }
  std::int64_t height() const { return header_.height; }
  std::int64_t width() const { return header_.width; }
  std::int64_t channels() const { return header_.channels; }

  std::int64_t class_count() const { return std::int64_t(header_.classes.size()); }
  const std::string& class_name(std::int64_t c) const {
    return header_.classes[std::size_t(c)].name;
  }
  std::int64_t class_images(std::int64_t c) const { return header_.classes[std::size_t(c)].count; }

  /// Image `i` of class `c`: u8 [H, W, C].
  std::span<const std::uint8_t> image(std::int64_t c, std::int64_t i) const;

  /// All images, u8 [images, H, W, C], class after class: what a device keeps resident.
  std::span<const std::uint8_t> images() const { return images_; }

  const std::string& default_scheme() const { return header_.splits.front().name; }

  /// Class indices of one part: "train", "validation" (or "val") or "test". An empty scheme is the
  /// default one. Errors: usage, listing the schemes or parts that there are.
  std::span<const std::int32_t> split(std::string_view scheme, std::string_view part) const;

  /// SHA-256 of the images: equal for equal images, whatever archive they came from.
  const std::string& digest() const { return header_.payload_sha256; }

 private:
  PackedSet() = default;

  PackedHeader header_;
  std::optional<MappedFile> file_;
  std::vector<std::uint8_t> memory_;
  std::span<const std::uint8_t> images_;  ///< in file_ or memory_; both keep their place on a move
};

}  // namespace metatape
