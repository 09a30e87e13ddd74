#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "meta/data/image.h"

namespace metatape {

/// See decode_image().
Image decode_jpeg(std::span<const std::byte> file, const std::string& subject);

}  // namespace metatape
