#include "meta/data/rotate.h"

namespace metatape {

void rotate_to_floats(std::span<const std::uint8_t> image, std::int64_t width,
                      std::int64_t channels, std::uint32_t quarter_turns, float* result) {
  // Pixel (r, c) of the result is pixel start + r*down + c*right of the image.
  const std::int64_t last = width - 1, pixels = std::int64_t(image.size()) / channels;
  const std::int64_t starts[] = {0, last, pixels - 1, last * width};
  const std::int64_t downs[] = {width, -1, -width, 1};
  const std::int64_t rights[] = {1, width, -1, -width};
  const std::int64_t start = starts[quarter_turns];
  const std::int64_t down = downs[quarter_turns], right = rights[quarter_turns];
  for (std::int64_t r = 0; r < pixels / width; ++r)
    for (std::int64_t c = 0; c < width; ++c)
      for (std::int64_t k = 0; k < channels; ++k)
        *result++ =
            float(image[std::size_t((start + r * down + c * right) * channels + k)]) / 255.0f;
}

}  // namespace metatape
