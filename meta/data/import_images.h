#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "meta/data/pack_writer.h"

namespace metatape {

struct ImagesImport {
  /// A folder, zip or tar with one folder of PNG or JPEG images per class. Folders that all classes
  /// have in common at the front of their path are left out of the class names.
  std::filesystem::path input;
  std::optional<std::filesystem::path> split = {};  ///< see read_split()
  std::int64_t size = 84;                           ///< side of the packed images
  std::int64_t channels = 3;                        ///< 3: RGB; 1: all images must be grey
};

/// Packs anybody's images: centre square, area-averaged to size x size; classes sorted by name,
/// images by file name. Without a split file the classes are cut 64/16/20 by name_hash_split(),
/// which the report's notes say.
/// Errors: io, naming archive and entry: unreadable images, images outside a class folder, class
/// folders without images, a split that does not fit.
PackReport pack_images(const ImagesImport&, const std::filesystem::path& output);

}  // namespace metatape
