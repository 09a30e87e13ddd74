#pragma once

// Winograd's minimal filtering F(4x4, 3x3): a tile of 4x4 results of a 3x3 filter from 36 products
// instead of 144. With x a 6x6 tile of the image, w a filter and y the 4x4 tile of results,
//   y = A^T [(G w G^T) . (B^T x B)] A       (. is the elementwise product, summed over channels),
// and the gradient of w, the adjoint of that map in w, is
//   w_bar = G^T [(A y_bar A^T) . (B^T x B)] G   (summed over tiles).
// The matrices follow from six points, here 0, +-kNear, +-kFar and infinity, by the Toom-Cook
// construction; the functions below are their products with a vector, written by even and odd
// parts. Source: Lavin and Gray 2016, arXiv:1509.09308, section 4.

#include <cstdint>

#include "kernels/conv2d/lanes.h"

namespace metatape::kernels::winograd {

inline constexpr int kTile = 6;     ///< side of a tile of the image, and of what is multiplied
inline constexpr int kResults = 4;  ///< side of a tile of results
inline constexpr int kTaps = 3;     ///< side of a filter
inline constexpr int kProducts = kTile * kTile;

template <int kRows, int kColumns = kRows>
using Tile = Lanes[kRows][kColumns];

// Points and the scales N(p) = prod_{q != p} (p - q) of the Toom-Cook construction.
// +-1/sqrt(2) and +-sqrt(2) instead of the usual +-1 and +-2 bring the largest error from 10 to 40
// times down to 3 to 9 times that of direct convolution (NOTES.md).
inline constexpr float kNear2 = 0.5f, kFar2 = 2, kNear = 0.70710678f, kFar = 1.41421356f;
inline constexpr float kZeroScale = 1 / (kNear2 * kFar2);
inline constexpr float kNearScale = 1 / (2 * kNear2 * (kNear2 - kFar2));
inline constexpr float kFarScale = 1 / (2 * kFar2 * (kFar2 - kNear2));

/// B^T: 6 pixels to 6 points.
struct PixelsToPoints {
  template <class At>
  void operator()(const At& x, Lanes (&y)[kTile]) const {
    const Lanes near_even = x(4) - kFar2 * x(2), near_odd = kNear * (x(3) - kFar2 * x(1));
    const Lanes far_even = x(4) - kNear2 * x(2), far_odd = kFar * (x(3) - kNear2 * x(1));
    y[0] = kNear2 * kFar2 * x(0) - (kNear2 + kFar2) * x(2) + x(4);
    y[1] = near_even + near_odd;
    y[2] = near_even - near_odd;
    y[3] = far_even + far_odd;
    y[4] = far_even - far_odd;
    y[5] = kNear2 * kFar2 * x(1) - (kNear2 + kFar2) * x(3) + x(5);
  }
};

/// G: 3 taps to 6 points.
struct TapsToPoints {
  template <class At>
  void operator()(const At& x, Lanes (&y)[kTile]) const {
    const Lanes near_even = kNearScale * (x(0) + kNear2 * x(2)),
                near_odd = kNearScale * kNear * x(1);
    const Lanes far_even = kFarScale * (x(0) + kFar2 * x(2)), far_odd = kFarScale * kFar * x(1);
    y[0] = kZeroScale * x(0);
    y[1] = near_even + near_odd;
    y[2] = near_even - near_odd;
    y[3] = far_even + far_odd;
    y[4] = far_even - far_odd;
    y[5] = x(2);
  }
};

/// G^T, the adjoint of TapsToPoints.
struct PointsToTaps {
  template <class At>
  void operator()(const At& x, Lanes (&y)[kTaps]) const {
    const Lanes near_even = kNearScale * (x(1) + x(2)), near_odd = kNearScale * (x(1) - x(2));
    const Lanes far_even = kFarScale * (x(3) + x(4)), far_odd = kFarScale * (x(3) - x(4));
    y[0] = kZeroScale * x(0) + (near_even + far_even);
    y[1] = kNear * near_odd + kFar * far_odd;
    y[2] = (kNear2 * near_even + kFar2 * far_even) + x(5);
  }
};

/// A^T: 6 points to 4 results.
struct PointsToResults {
  template <class At>
  void operator()(const At& x, Lanes (&y)[kResults]) const {
    const Lanes near_even = x(1) + x(2), near_odd = kNear * (x(1) - x(2));
    const Lanes far_even = x(3) + x(4), far_odd = kFar * (x(3) - x(4));
    y[0] = x(0) + (near_even + far_even);
    y[1] = near_odd + far_odd;
    y[2] = kNear2 * near_even + kFar2 * far_even;
    y[3] = (kNear2 * near_odd + kFar2 * far_odd) + x(5);
  }
};

/// A, the adjoint of PointsToResults.
struct ResultsToPoints {
  template <class At>
  void operator()(const At& x, Lanes (&y)[kTile]) const {
    const Lanes near_even = x(0) + kNear2 * x(2), near_odd = kNear * (x(1) + kNear2 * x(3));
    const Lanes far_even = x(0) + kFar2 * x(2), far_odd = kFar * (x(1) + kFar2 * x(3));
    y[0] = x(0);
    y[1] = near_even + near_odd;
    y[2] = near_even - near_odd;
    y[3] = far_even + far_odd;
    y[4] = far_even - far_odd;
    y[5] = x(3);
  }
};

/// M x M^T, where `transform` is the product with M: along the columns, then along the rows.
template <class Transform, int kFrom, int kTo>
void transform_tile(const Transform& transform, const Tile<kFrom>& x, Tile<kTo>& y) {
  Tile<kFrom, kTo> columns;  // columns[j] is M times column j of x
  for (int j = 0; j < kFrom; ++j)
    transform([&](int i) -> const Lanes& { return x[i][j]; }, columns[j]);
  for (int i = 0; i < kTo; ++i)
    transform([&](int j) -> const Lanes& { return columns[j][i]; }, y[i]);
}

}  // namespace metatape::kernels::winograd
