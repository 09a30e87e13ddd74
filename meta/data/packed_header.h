#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace metatape {

struct PackedClass {
  std::string name = {};
  std::int64_t first = 0;  ///< index of its first image; its images follow one another
  std::int64_t count = 0;
};

/// One way to cut the classes into three parts. A class is in at most one part.
struct PackedSplit {
  std::string name = {};
  std::vector<std::int32_t> train = {}, validation = {}, test = {};  ///< class indices
};

/// A file that the images came from.
struct PackedSource {
  std::string file = {};
  std::string sha256 = {};
};

/// What a packed set says of itself, stored as JSON.
struct PackedHeader {
  std::string kind = {};  ///< "omniglot", "images", "glyphs"
  std::int64_t height = 0, width = 0, channels = 0;
  std::string scale = {};  ///< how a byte becomes a pixel value, for people
  std::vector<PackedClass> classes = {};
  std::vector<PackedSplit> splits = {};  ///< the first one is the default
  std::vector<PackedSource> sources = {};
  std::string payload_sha256 = {};  ///< of the images alone

  std::int64_t image_bytes() const { return height * width * channels; }
  std::int64_t image_count() const {
    return classes.empty() ? 0 : classes.back().first + classes.back().count;
  }
};

/// Refuses a header that does not hang together: extents 1..16384, image <= 256 MiB, 1 or 3
/// channels, classes non-empty, named once and without gaps between them, splits with class
/// indices that exist and are used once. Errors: io, naming `subject` and the offending entry.
void check_header(const PackedHeader&, const std::string& subject);

std::string header_to_json(const PackedHeader&, const std::string& subject);

/// Parses and checks. Errors: io, naming `subject`.
PackedHeader header_from_json(std::string_view text, const std::string& subject);

}  // namespace metatape
