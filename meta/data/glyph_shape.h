#pragma once

#include <cstdint>
#include <vector>

#include "kernels/common/philox.h"

namespace metatape {

// Strokes of an invented alphabet. Only + - * / and sqrt in double, whose results IEEE 754 fixes:
// the drawings have the same bytes on every machine (libm's sin and exp would not).

struct GlyphPoint {
  double x = 0, y = 0;  ///< in a unit square, y downwards
};

/// Control points of a clamped quadratic B-spline: two make a line, three a bow, five a hook or
/// most of a circle.
using GlyphStroke = std::vector<GlyphPoint>;
using GlyphShape = std::vector<GlyphStroke>;

/// Two to four strokes; later ones mostly start on an earlier one. Centred in the unit square.
GlyphShape random_glyph(kernels::RandomStream&);

/// The same character by an unsteady hand: control points jittered, then one affine map (rotation
/// within 25 degrees, shear, scale, shift).
GlyphShape redraw(const GlyphShape&, kernels::RandomStream&);

/// Draws with a round pen, `pen` pixels wide: u8 [side, side], ink 255, edges anti-aliased by
/// distance.
std::vector<std::uint8_t> rasterize(const GlyphShape&, std::int64_t side, double pen);

}  // namespace metatape
