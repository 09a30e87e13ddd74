#pragma once

// Counts that follow from a convolution's geometry.

#include <cstdint>

#include "kernels/conv2d/conv2d.h"

namespace metatape::kernels {

// Elements of one task.
inline std::int64_t x_elements(const Conv2dGeometry& g) {
  return g.images * g.height * g.width * g.channels;
}
inline std::int64_t filter_elements(const Conv2dGeometry& g) {
  return g.filters * g.filter_height * g.filter_width * g.channels;
}
inline std::int64_t y_elements(const Conv2dGeometry& g) {
  return g.images * g.out_height() * g.out_width() * g.filters;
}

/// Of all tasks.
inline std::int64_t multiply_adds(const Conv2dGeometry& g) {
  return g.tasks * y_elements(g) * g.filter_height * g.filter_width * g.channels;
}

}  // namespace metatape::kernels
