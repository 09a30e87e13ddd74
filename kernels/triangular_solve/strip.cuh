#pragma once

// What the blocked solve and the blocked factorisation share. A block of 256 threads has a strip:
// 32 rows of unknowns for 32 kGroups right-hand sides. It takes from the strip what the rows above
// it contribute, tile by tile, and then solves with the triangle on the diagonal, the corner.

#include "kernels/common/device.cuh"

namespace metatape::kernels {

inline constexpr int kStripRows = 32;
inline constexpr int kStripThreads = 256;
/// Warp w has the rows w, w + 8, w + 16, w + 24 of a strip, its lane the columns lane + 32 c.
inline constexpr int kStripWarps = kStripThreads / 32;
inline constexpr int kRowsPerThread = kStripRows / kStripWarps;

using Tile = float[kStripRows][kStripRows + 1];  // + 1: a column lies in different banks
template <int kGroups>
using StripTile = float[kStripRows][32 * kGroups + 1];
/// A strip in registers.
template <int kGroups>
using Strip = float[kRowsPerThread][kGroups];

/// strip -= left right
template <int kGroups>
__device__ void subtract_product(const Tile& left, const StripTile<kGroups>& right,
                                 Strip<kGroups>& strip) {
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  MT_UNROLL
  for (int k = 0; k < kStripRows; ++k) {
    MT_UNROLL
    for (int r = 0; r < kRowsPerThread; ++r) {
      MT_UNROLL
      for (int c = 0; c < kGroups; ++c)
        strip[r][c] -= left[warp + r * kStripWarps][k] * right[k][lane + 32 * c];
    }
  }
}

template <int kGroups>
__device__ void store_strip(const Strip<kGroups>& strip, StripTile<kGroups>& tile) {
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  MT_UNROLL
  for (int r = 0; r < kRowsPerThread; ++r) {
    MT_UNROLL
    for (int c = 0; c < kGroups; ++c) tile[warp + r * kStripWarps][lane + 32 * c] = strip[r][c];
  }
}

/// column = corner^-1 column, for one column of a strip by one thread. All threads read the same
/// elements of the corner at the same time.
template <int kGroups>
__device__ void solve_column(const Tile& corner, int column, StripTile<kGroups>& tile) {
  float x[kStripRows];
  MT_UNROLL
  for (int i = 0; i < kStripRows; ++i) x[i] = tile[i][column];
  MT_UNROLL
  for (int j = 0; j < kStripRows; ++j) {
    x[j] /= corner[j][j];
    MT_UNROLL
    for (int i = j + 1; i < kStripRows; ++i) x[i] -= corner[i][j] * x[j];
  }
  MT_UNROLL
  for (int i = 0; i < kStripRows; ++i) tile[i][column] = x[i];
}

}  // namespace metatape::kernels
