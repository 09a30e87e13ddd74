#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/io/atomic_file.h"
#include "engine/io/sha256.h"
#include "meta/data/packed_header.h"

namespace metatape {

/// What `metatape pack` tells the user.
struct PackReport {
  std::int64_t classes = 0, images = 0;
  std::int64_t height = 0, width = 0, channels = 0;
  std::uint64_t bytes = 0;              ///< size of the file
  std::string digest = {};              ///< SHA-256 of the images
  std::vector<std::string> notes = {};  ///< choices made and things left out, one sentence each
};

/// Writes a packed set image by image; the name appears only when all of it is on disk.
class PackWriter {
 public:
  /// The header's payload checksum is computed here. Errors: io, as check_header().
  PackWriter(std::filesystem::path path, PackedHeader header);

  /// The next image, u8 [H, W, C], in class order.
  void add(std::span<const std::uint8_t> image);

  /// Errors: internal, if fewer images came than the header promises.
  PackReport commit();

 private:
  std::string subject_;
  PackedHeader header_;
  std::int64_t images_ = 0;
  Sha256 payload_;
  AtomicFile file_;
};

}  // namespace metatape
