#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace metatape {

/// A decoded picture, u8 row-major [H, W, C]; C is 1 (grey) or 3 (RGB).
struct Image {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels = {};
};

/// Refuses sizes that only a hostile file has: more than 16384 x 16384 pixels or 256 MiB decoded.
/// Call before memory is taken. Errors: io, with `subject`.
void check_image_extents(std::uint64_t height, std::uint64_t width, std::uint64_t channels,
                         const std::string& subject);

}  // namespace metatape
