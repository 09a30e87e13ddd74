#include "meta/data/glyph_shape.h"

#include <algorithm>
#include <cmath>

namespace metatape {

namespace {

using kernels::RandomStream;

double between(RandomStream& random, double low, double high) {
  return low + (high - low) * random.uniform();
}

/// Triangular on [-reach, reach]: mostly small, never far.
double jitter(RandomStream& random, double reach) {
  return reach * (random.uniform() - random.uniform());
}

GlyphPoint mix(GlyphPoint a, GlyphPoint b, double t) {
  return {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
}

double squared_distance(GlyphPoint a, GlyphPoint b) {
  return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

/// Scripts are built on few heights and widths: one of a 4 x 4 grid.
GlyphPoint grid_point(RandomStream& random) {
  const double x = random.below(4), y = random.below(4);
  return {x / 3, y / 3};
}

GlyphPoint distant_grid_point(RandomStream& random, GlyphPoint from) {
  constexpr double kShortest = 0.45;
  for (;;) {
    const GlyphPoint p = grid_point(random);
    if (squared_distance(p, from) >= kShortest * kShortest) return p;
  }
}

/// A bow or a wave: inner control points off the straight line, to the side(s) of it.
GlyphStroke curve(RandomStream& random, GlyphPoint a, GlyphPoint b, int bends) {
  const GlyphPoint across{b.y - a.y, a.x - b.x};
  double side = random.below(2) == 0 ? -1 : 1;
  GlyphStroke stroke{a};
  for (int i = 1; i <= bends; ++i, side = -side) {
    const GlyphPoint on_line = mix(a, b, double(i) / (bends + 1));
    const double off = side * between(random, 0.45, 0.95);
    stroke.push_back({on_line.x + off * across.x, on_line.y + off * across.y});
  }
  stroke.push_back(b);
  return stroke;
}

/// Five to eight neighbouring corners of an octagon: from a half circle to a loop.
GlyphStroke arc(RandomStream& random, GlyphPoint start) {
  constexpr double kDiagonal = 0.70710678118654752;  // sqrt(1/2)
  constexpr GlyphPoint kCompass[8] = {
      {1, 0},  {kDiagonal, kDiagonal},   {0, 1},  {-kDiagonal, kDiagonal},
      {-1, 0}, {-kDiagonal, -kDiagonal}, {0, -1}, {kDiagonal, -kDiagonal}};
  const double radius = between(random, 0.18, 0.38);
  const std::uint32_t first = random.below(8), corners = 5 + random.below(4);
  const std::uint32_t step = random.below(2) == 0 ? 1 : 7;  // one way round or the other
  GlyphStroke stroke;
  for (std::uint32_t i = 0; i < corners; ++i) {
    const GlyphPoint p = kCompass[(first + i * step) % 8], p0 = kCompass[first];
    stroke.push_back({start.x + radius * (p.x - p0.x), start.y + radius * (p.y - p0.y)});
  }
  return stroke;
}

GlyphStroke random_stroke(RandomStream& random, GlyphPoint start) {
  const std::uint32_t kind = random.below(8);
  if (kind < 2) return arc(random, start);
  const GlyphPoint end = distant_grid_point(random, start);
  if (kind < 5) return {start, end};
  if (kind < 7) return curve(random, start, end, 1);
  return curve(random, start, end, 2);
}

struct Box {
  GlyphPoint low{1e9, 1e9}, high{-1e9, -1e9};
};

Box bounds(const GlyphShape& shape) {
  Box box;
  for (const GlyphStroke& stroke : shape)
    for (GlyphPoint p : stroke) {
      box.low = {std::min(box.low.x, p.x), std::min(box.low.y, p.y)};
      box.high = {std::max(box.high.x, p.x), std::max(box.high.y, p.y)};
    }
  return box;
}

/// Moves the middle to (1/2, 1/2) and makes the longer side 1.
void fit_to_square(GlyphShape& shape) {
  const Box box = bounds(shape);
  const double scale = 1 / std::max(box.high.x - box.low.x, box.high.y - box.low.y);
  const GlyphPoint middle = mix(box.low, box.high, 0.5);
  for (GlyphStroke& stroke : shape)
    for (GlyphPoint& p : stroke)
      p = {0.5 + scale * (p.x - middle.x), 0.5 + scale * (p.y - middle.y)};
}

/// The B-spline as short straight pieces: between the middles of its control polygon's legs it is a
/// parabola with the corner as control point.
GlyphStroke flatten(const GlyphStroke& stroke) {
  constexpr int kPieces = 8;
  GlyphStroke line{stroke.front()};
  for (std::size_t i = 1; i + 1 < stroke.size(); ++i) {
    const GlyphPoint begin = line.back(), corner = stroke[i];
    const bool is_last = i + 2 == stroke.size();
    const GlyphPoint end = is_last ? stroke[i + 1] : mix(corner, stroke[i + 1], 0.5);
    for (int k = 1; k <= kPieces; ++k) {
      const double t = double(k) / kPieces;
      line.push_back(mix(mix(begin, corner, t), mix(corner, end, t), t));
    }
  }
  if (stroke.size() == 2) line.push_back(stroke[1]);
  return line;
}

double distance_to_piece(GlyphPoint p, GlyphPoint a, GlyphPoint b) {
  const double length = squared_distance(a, b);
  const double along = (p.x - a.x) * (b.x - a.x) + (p.y - a.y) * (b.y - a.y);
  const double t = length > 0 ? std::clamp(along / length, 0.0, 1.0) : 0.0;
  return std::sqrt(squared_distance(p, mix(a, b, t)));
}

/// Pixels first..last whose centres can be within `reach` of [low, high].
std::pair<std::int64_t, std::int64_t> pixel_range(double low, double high, double reach,
                                                  std::int64_t side) {
  const double last = double(side - 1);
  return {std::int64_t(std::clamp(low - reach, 0.0, last)),
          std::int64_t(std::clamp(high + reach, 0.0, last))};
}

}  // namespace

GlyphShape random_glyph(RandomStream& random) {
  GlyphShape shape;
  const std::uint32_t strokes = 2 + random.below(3);
  while (shape.size() < strokes) {
    GlyphPoint start = grid_point(random);
    const bool is_joined = !shape.empty() && random.below(3) != 0;
    if (is_joined) {
      const GlyphStroke line = flatten(shape[random.below(std::uint32_t(shape.size()))]);
      start = line[random.below(3) * (line.size() - 1) / 2];  // its start, middle or end
    }
    shape.push_back(random_stroke(random, start));
  }
  fit_to_square(shape);
  return shape;
}

GlyphShape redraw(const GlyphShape& shape, RandomStream& random) {
  constexpr double kPointReach = 0.11, kShift = 0.12;
  const double half_tangent = jitter(random, 0.22);  // tan(angle / 2): up to 25 degrees
  const double divisor = 1 + half_tangent * half_tangent;
  const double cosine = (1 - half_tangent * half_tangent) / divisor;
  const double sine = 2 * half_tangent / divisor;
  const double shear = jitter(random, 0.35);
  const double wide = between(random, 0.65, 1.05), high = between(random, 0.65, 1.05);
  const GlyphPoint shift{0.5 + jitter(random, kShift), 0.5 + jitter(random, kShift)};

  GlyphShape drawn = shape;
  for (GlyphStroke& stroke : drawn) {
    for (GlyphPoint& p : stroke) {
      const double y = high * (p.y - 0.5 + jitter(random, kPointReach));
      const double x = wide * (p.x - 0.5 + jitter(random, kPointReach)) + shear * y;
      p = {shift.x + cosine * x - sine * y, shift.y + sine * x + cosine * y};
    }
  }
  return drawn;
}

std::vector<std::uint8_t> rasterize(const GlyphShape& shape, std::int64_t side, double pen) {
  constexpr double kMargin = 3;  // pixels left free around the unit square
  const double radius = pen / 2, reach = radius + 1;
  const double scale = double(side - 1) - 2 * kMargin;
  std::vector<std::uint8_t> ink(std::size_t(side * side), 0);
  for (const GlyphStroke& stroke : shape) {
    GlyphStroke line = flatten(stroke);
    for (GlyphPoint& p : line) p = {kMargin + scale * p.x, kMargin + scale * p.y};
    for (std::size_t i = 1; i < line.size(); ++i) {
      const GlyphPoint a = line[i - 1], b = line[i];
      const auto [top, bottom] = pixel_range(std::min(a.y, b.y), std::max(a.y, b.y), reach, side);
      const auto [left, right] = pixel_range(std::min(a.x, b.x), std::max(a.x, b.x), reach, side);
      for (std::int64_t y = top; y <= bottom; ++y) {
        for (std::int64_t x = left; x <= right; ++x) {
          const double distance = distance_to_piece({double(x), double(y)}, a, b);
          const double covered = std::clamp(radius + 0.5 - distance, 0.0, 1.0);
          std::uint8_t& pixel = ink[std::size_t(y * side + x)];
          pixel = std::max(pixel, std::uint8_t(std::lround(255 * covered)));
        }
      }
    }
  }
  return ink;
}

}  // namespace metatape
