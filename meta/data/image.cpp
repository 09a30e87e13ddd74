#include "meta/data/image.h"

#include "engine/error.h"

namespace metatape {

void check_image_extents(std::uint64_t height, std::uint64_t width, std::uint64_t channels,
                         const std::string& subject) {
  constexpr std::uint64_t kLargestExtent = 16384;
  constexpr std::uint64_t kLargestImage = std::uint64_t{256} << 20;
  if (height < 1 || width < 1 || height > kLargestExtent || width > kLargestExtent)
    fail(ErrorKind::io, subject, "the image is {} x {}, at most {} x {} is allowed; shrink it",
         height, width, kLargestExtent, kLargestExtent);
  if (height * width * channels > kLargestImage)
    fail(ErrorKind::io, subject, "the image decodes to {} bytes, at most {} are allowed; shrink it",
         height * width * channels, kLargestImage);
}

}  // namespace metatape
