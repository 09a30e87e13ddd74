#pragma once

#include "meta/data/image.h"

namespace metatape {

/// The largest centred square.
Image centre_square(const Image&);

/// Area average: each new pixel is the mean of the rectangle of the old picture that it covers,
/// with fractional coverage at the edges.
///
/// y[k] = sum_i |[i, i+1) ^ [k*n/m, (k+1)*n/m)| x[i] * m/n   along each axis, n -> m pixels
/// Computed exactly in integers (in units of 1/m of a pixel); halves are rounded up.
Image area_resize(const Image&, std::int64_t height, std::int64_t width);

}  // namespace metatape
