#include "meta/data/glyphs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "meta/data/glyph_shape.h"

namespace metatape {

namespace {

using kernels::RandomPurpose;
using kernels::RandomStream;

constexpr std::uint64_t kSeed = 2017;
constexpr std::uint32_t kClasses = 400, kDrawings = 20;
constexpr std::int32_t kTrain = 280, kValidation = 40;
constexpr std::int64_t kSide = 28;

/// Two characters must differ in this share of the ink that either has, drawn with a pen so broad
/// that small shifts do not count.
constexpr double kLeastDifference = 0.4;
constexpr double kBroadPen = 5;

bool are_alike(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
  std::int64_t different = 0, either = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    different += std::abs(int(a[i]) - int(b[i]));
    either += std::max(a[i], b[i]);
  }
  return double(different) < kLeastDifference * double(either);
}

std::vector<GlyphShape> alphabet() {
  std::vector<GlyphShape> shapes;
  std::vector<std::vector<std::uint8_t>> broad;
  for (std::uint32_t candidate = 0; shapes.size() < kClasses; ++candidate) {
    RandomStream random(kSeed, RandomPurpose::glyph_shapes, candidate, 0);
    const GlyphShape shape = random_glyph(random);
    std::vector<std::uint8_t> image = rasterize(shape, kSide, kBroadPen);
    if (std::ranges::any_of(broad, [&](const auto& other) { return are_alike(image, other); }))
      continue;
    shapes.push_back(shape);
    broad.push_back(std::move(image));
  }
  return shapes;
}

std::vector<std::uint8_t> all_drawings() {
  std::vector<std::uint8_t> images;
  images.reserve(kClasses * kDrawings * kSide * kSide);
  const std::vector<GlyphShape> shapes = alphabet();
  for (std::uint32_t c = 0; c < kClasses; ++c) {
    for (std::uint32_t d = 0; d < kDrawings; ++d) {
      RandomStream random(kSeed, RandomPurpose::glyph_drawings, c, d);
      const double pen = 1.2 + 1.2 * random.uniform();
      const std::vector<std::uint8_t> image = rasterize(redraw(shapes[c], random), kSide, pen);
      images.insert(images.end(), image.begin(), image.end());
    }
  }
  return images;
}

PackedHeader glyph_header() {
  PackedHeader header{.kind = "glyphs",
                      .height = kSide,
                      .width = kSide,
                      .channels = 1,
                      .scale = "ink = 255, paper = 0; value = byte / 255"};
  for (std::uint32_t c = 0; c < kClasses; ++c)
    header.classes.push_back({.name = fmt::format("glyph{:03}", c),
                              .first = std::int64_t(c) * kDrawings,
                              .count = kDrawings});
  std::vector<std::int32_t> order(kClasses);
  std::iota(order.begin(), order.end(), 0);  // the shapes are in random order already
  const auto train = order.begin() + kTrain, validation = train + kValidation;
  header.splits.push_back({.name = "glyphs",
                           .train = {order.begin(), train},
                           .validation = {train, validation},
                           .test = {validation, order.end()}});
  return header;
}

}  // namespace

PackedSet draw_glyphs() { return PackedSet::in_memory(glyph_header(), all_drawings()); }

PackReport pack_glyphs(const std::filesystem::path& output) {
  const PackedSet set = draw_glyphs();
  PackWriter writer(output, set.header());
  for (std::int64_t c = 0; c < set.class_count(); ++c)
    for (std::int64_t i = 0; i < set.class_images(c); ++i) writer.add(set.image(c, i));
  return writer.commit();
}

}  // namespace metatape
