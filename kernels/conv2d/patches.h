#pragma once

// The patch matrix ("im2col") of a convolution, and its adjoint. It has one row per output pixel,
// in the order of y, and one column per filter element, in the order of w:
//   patches[(n,p,q), (r,s,c)] = x[n, p stride + r - pad, q stride + s - pad, c], 0 outside of x.
// A convolution is one matrix product with it. A "line" is one row of output pixels (n,p); blocks
// of the matrix are cut at lines. All functions see one task.

#include <algorithm>
#include <cstdint>

#include "kernels/conv2d/conv2d.h"

namespace metatape::kernels {

struct Lines {
  std::int64_t begin, end;  ///< in [0, N P]
};

/// R S C, the columns of the patch matrix and the elements of one filter.
inline std::int64_t patch_size(const Conv2dGeometry& g) {
  return g.filter_height * g.filter_width * g.channels;
}

/// True if the patch matrix is x itself: 1x1 filters, or filters as large as the image.
inline bool patches_are_images(const Conv2dGeometry& g) {
  const bool pointwise = g.filter_height == 1 && g.filter_width == 1 && g.stride == 1;
  const bool whole = g.filter_height == g.height && g.filter_width == g.width;
  return g.pad == 0 && (pointwise || whole);
}

/// Calls visit(row, outside, image, inside) for each row of each filter window of the lines, in
/// order: elements [outside, outside + inside) of the S C patch elements from `row` on lie in the
/// image and are consecutive there from `image` on. inside == 0: none of them do.
template <class Visit>
void for_each_window_row(const Conv2dGeometry& g, Lines lines, Visit visit) {
  const std::int64_t P = g.out_height(), Q = g.out_width();
  std::int64_t row = 0;
  for (std::int64_t line = lines.begin; line < lines.end; ++line) {
    const std::int64_t n = line / P, top = line % P * g.stride - g.pad;
    for (std::int64_t q = 0; q < Q; ++q) {
      const std::int64_t left = q * g.stride - g.pad;
      const std::int64_t s_begin = std::clamp<std::int64_t>(-left, 0, g.filter_width);
      const std::int64_t s_end = std::clamp(g.width - left, s_begin, g.filter_width);
      for (std::int64_t h = top; h < top + g.filter_height; ++h) {
        const bool is_inside = h >= 0 && h < g.height;
        const std::int64_t image = ((n * g.height + h) * g.width + left + s_begin) * g.channels;
        visit(row, s_begin * g.channels, is_inside ? image : 0,
              is_inside ? (s_end - s_begin) * g.channels : 0);
        row += g.filter_width * g.channels;
      }
    }
  }
}

/// Writes the rows of the patch matrix that belong to the lines.
template <class T>
void gather_patches(const Conv2dGeometry& g, Lines lines, const T* x, T* patches) {
  const std::int64_t width = g.filter_width * g.channels;
  for_each_window_row(g, lines, [=](auto row, auto outside, auto image, auto inside) {
    T* to = patches + row;
    std::fill(to, to + outside, T(0));
    std::copy_n(x + image, inside, to + outside);
    std::fill(to + outside + inside, to + width, T(0));
  });
}

/// The adjoint: adds each patch element of the lines to the image element it was read from.
template <class T>
void scatter_patches(const Conv2dGeometry& g, Lines lines, const T* patches, T* x_bar) {
  for_each_window_row(g, lines, [=](auto row, auto outside, auto image, auto inside) {
    const T* from = patches + row + outside;
    for (std::int64_t i = 0; i < inside; ++i) x_bar[image + i] += from[i];
  });
}

}  // namespace metatape::kernels
