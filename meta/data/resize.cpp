#include "meta/data/resize.h"

#include <algorithm>

namespace metatape {

namespace {

/// The old pixels that a new one covers, and by how much in units of 1/m of an old pixel.
struct Cover {
  std::int64_t first = 0;
  std::vector<std::int64_t> weights = {};
};

std::vector<Cover> covers(std::int64_t n, std::int64_t m) {
  std::vector<Cover> all;
  for (std::int64_t k = 0; k < m; ++k) {
    const std::int64_t begin = k * n, end = begin + n;
    Cover cover{.first = begin / m};
    for (std::int64_t i = cover.first; i * m < end; ++i)
      cover.weights.push_back(std::min(end, (i + 1) * m) - std::max(begin, i * m));
    all.push_back(std::move(cover));
  }
  return all;
}

}  // namespace

Image centre_square(const Image& image) {
  const std::int64_t side = std::min(image.height, image.width);
  const std::int64_t top = (image.height - side) / 2, left = (image.width - side) / 2;
  Image square{.height = side, .width = side, .channels = image.channels};
  for (std::int64_t y = 0; y < side; ++y) {
    const auto row = image.pixels.begin() + ((top + y) * image.width + left) * image.channels;
    square.pixels.insert(square.pixels.end(), row, row + side * image.channels);
  }
  return square;
}

Image area_resize(const Image& image, std::int64_t height, std::int64_t width) {
  const std::vector<Cover> rows = covers(image.height, height);
  const std::vector<Cover> columns = covers(image.width, width);
  const std::int64_t channels = image.channels, area = image.height * image.width;
  Image result{.height = height, .width = width, .channels = channels};
  result.pixels.reserve(std::size_t(height * width * channels));
  std::vector<std::int64_t> blended(std::size_t(image.width * channels));  // old rows, added up
  for (const Cover& row : rows) {
    std::ranges::fill(blended, 0);
    for (std::size_t i = 0; i < row.weights.size(); ++i) {
      const std::uint8_t* old = &image.pixels[(std::size_t(row.first) + i) * blended.size()];
      for (std::size_t x = 0; x < blended.size(); ++x) blended[x] += row.weights[i] * old[x];
    }
    for (const Cover& column : columns) {
      for (std::int64_t c = 0; c < channels; ++c) {
        std::int64_t sum = 0;
        for (std::size_t j = 0; j < column.weights.size(); ++j)
          sum += column.weights[j] *
                 blended[(std::size_t(column.first) + j) * std::size_t(channels) + std::size_t(c)];
        result.pixels.push_back(std::uint8_t((2 * sum + area) / (2 * area)));
      }
    }
  }
  return result;
}

}  // namespace metatape
