#pragma once

// One warp's part of a product of two tiles in shared memory, in three arithmetics. Each class
// keeps the sums of a [kRows, kColumns] part of the result in registers:
//   add(a, b, depths)   a, b: where the warp's rows start in the tiles; the first `depths` count,
//                       what is behind them is zero
//   visit(line, store)  calls store(line(row), column, left, right) for each pair of neighbouring
//                       sums of the lane; line(row) once for a row

#include "kernels/common/tensor_core.cuh"
#include "kernels/conv2d/conv2d_plan.h"
#include "kernels/conv2d/tile_copy.cuh"

namespace metatape::kernels {

__device__ inline int lane_number() { return int(threadIdx.x) % 32; }

/// One lane's fragments of eight terms of a reduction.
template <class TileA, class TileB, int kRows, int kColumns>
struct WarpFragments {
  static constexpr int kTilesM = kRows / 16, kTilesN = kColumns / 8;
  FragmentA a[kTilesM];
  FragmentB b[kTilesN];

  __device__ void load(const float* tile_a, const float* tile_b, int depth) {
    const int row = lane_number() / 4, column = depth + lane_number() % 4;
    MT_UNROLL
    for (int m = 0; m < kTilesM; ++m) {
      MT_UNROLL
      for (int i = 0; i < 4; ++i) {
        a[m].x[i] = tile_a[TileA::offset(16 * m + row + 8 * (i % 2), column + 4 * (i / 2))];
      }
    }
    MT_UNROLL
    for (int n = 0; n < kTilesN; ++n) {
      MT_UNROLL
      for (int i = 0; i < 2; ++i) b[n].x[i] = tile_b[TileB::offset(8 * n + row, column + 4 * i)];
    }
  }

  /// Rounds the factors to TF32 and returns what that leaves over. It has 12 bits, of which the
  /// tensor cores take 11: an error of 2^-23 of the factor at most, without a preferred sign.
  __device__ WarpFragments split() {
    WarpFragments rest;
    MT_UNROLL
    for (int m = 0; m < kTilesM; ++m) {
      MT_UNROLL
      for (int i = 0; i < 4; ++i) rest.a[m].x[i] = split(a[m].x[i]);
    }
    MT_UNROLL
    for (int n = 0; n < kTilesN; ++n) {
      MT_UNROLL
      for (int i = 0; i < 2; ++i) rest.b[n].x[i] = split(b[n].x[i]);
    }
    return rest;
  }

 private:
  __device__ static float split(float& x) {
    const float whole = x;
    x = round_to_tf32(whole);
    return whole - x;
  }
};

/// On tensor cores, eight terms at a time.
template <Arithmetic kArithmetic, class TileA, class TileB, int kRows, int kColumns>
class WarpProduct {
 public:
  __device__ void add(const float* tile_a, const float* tile_b, int) {
    MT_UNROLL
    for (int depth = 0; depth < TileA::kDepth; depth += 8) {
      WarpFragments<TileA, TileB, kRows, kColumns> whole;
      whole.load(tile_a, tile_b, depth);
      const auto rest = whole.split();
      MT_UNROLL
      for (int m = 0; m < kTilesM; ++m) {
        MT_UNROLL
        for (int n = 0; n < kTilesN; ++n) add(whole, rest, m, n);
      }
    }
  }

  template <class Line, class Store>
  __device__ void visit(const Line& line_of, const Store& store) const {
    const int row = lane_number() / 4, column = 2 * (lane_number() % 4);
    MT_UNROLL
    for (int m = 0; m < kTilesM; ++m) {
      MT_UNROLL
      for (int half = 0; half < 2; ++half) {
        const auto line = line_of(16 * m + 8 * half + row);
        MT_UNROLL
        for (int n = 0; n < kTilesN; ++n) {
          const float* x = sums_[m][n].x + 2 * half;
          store(line, 8 * n + column, x[0], x[1]);
        }
      }
    }
  }

 private:
  static constexpr int kTilesM = kRows / 16, kTilesN = kColumns / 8;
  using Fragments = WarpFragments<TileA, TileB, kRows, kColumns>;

  /// The products of the parts, the small ones first; small times small is below f32's rounding.
  /// Tensor cores round towards zero, which adds up over a long sum: they sum eight terms only, and
  /// the ordinary units, which round to nearest, add that. Ootomo & Yokota 2022, arXiv:2203.03341.
  __device__ void add(const Fragments& whole, const Fragments& rest, int m, int n) {
    if constexpr (kArithmetic == Arithmetic::tf32) {
      multiply_add_tf32(whole.a[m], whole.b[n], sums_[m][n]);
    } else {
      FragmentD sum;
      multiply_add_tf32(rest.a[m], whole.b[n], sum);
      multiply_add_tf32(whole.a[m], rest.b[n], sum);
      multiply_add_tf32(whole.a[m], whole.b[n], sum);
      MT_UNROLL
      for (int i = 0; i < 4; ++i) sums_[m][n].x[i] += sum.x[i];
    }
  }

  FragmentD sums_[kTilesM][kTilesN];
};

/// On the ordinary units. A lane holds every fourth row and every eighth pair of columns.
template <class TileA, class TileB, int kRows, int kColumns>
class WarpProduct<Arithmetic::fma, TileA, TileB, kRows, kColumns> {
 public:
  __device__ void add(const float* tile_a, const float* tile_b, int depths) {
    for (int depth = 0; depth < depths; ++depth) {
      float a[kLaneRows], b[kLaneColumns];
      MT_UNROLL
      for (int i = 0; i < kLaneRows; ++i) a[i] = tile_a[TileA::offset(row(i), depth)];
      MT_UNROLL
      for (int j = 0; j < kLaneColumns; ++j) b[j] = tile_b[TileB::offset(column(j), depth)];
      MT_UNROLL
      for (int i = 0; i < kLaneRows; ++i) {
        MT_UNROLL
        for (int j = 0; j < kLaneColumns; ++j) sums_[i][j] = __fmaf_rn(a[i], b[j], sums_[i][j]);
      }
    }
  }

  template <class Line, class Store>
  __device__ void visit(const Line& line_of, const Store& store) const {
    MT_UNROLL
    for (int i = 0; i < kLaneRows; ++i) {
      const auto line = line_of(row(i));
      MT_UNROLL
      for (int j = 0; j < kLaneColumns; j += 2) {
        store(line, column(j), sums_[i][j], sums_[i][j + 1]);
      }
    }
  }

 private:
  static constexpr int kLaneRows = kRows / 4, kLaneColumns = kColumns / 8;
  static_assert(kLaneColumns % 2 == 0);

  __device__ static int row(int i) { return lane_number() / 8 + 4 * i; }
  __device__ static int column(int j) { return 2 * (lane_number() % 8) + 16 * (j / 2) + j % 2; }

  float sums_[kLaneRows][kLaneColumns] = {};
};

}  // namespace metatape::kernels
