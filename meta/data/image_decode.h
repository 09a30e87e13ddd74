#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "meta/data/image.h"

namespace metatape {

/// Decodes PNG or JPEG, told apart by their first bytes. Palettes and low bit depths are expanded,
/// 16 bits are cut to 8, transparent pixels are laid over white, grey stays one channel.
/// Errors: io, with `subject`: another format, larger than 16384 x 16384 or 256 MiB decoded,
/// truncated, damaged, CMYK.
Image decode_image(std::span<const std::byte> file, const std::string& subject);

/// Hidden files and what macOS adds to archives ("__MACOSX/..."): no part of anybody's data.
bool is_hidden(std::string_view path);

/// .png, .jpg or .jpeg in any case, not hidden.
bool names_an_image(std::string_view path);

}  // namespace metatape
