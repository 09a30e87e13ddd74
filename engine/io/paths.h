#pragma once

#include <filesystem>

namespace metatape {

// std::filesystem's own answers throw what is no metatape::Error, or need an error code each time.
// Errors of these: io, if it cannot be told, because a folder on the way may not be searched or a
// name is too long.

bool is_there(const std::filesystem::path&);
bool is_folder(const std::filesystem::path&);
/// A regular file, not a pipe or a device.
bool is_file(const std::filesystem::path&);

}  // namespace metatape
