#pragma once

// The way of tiles between images, filters and the 36 matrices of points that are multiplied
// (winograd.h): which pixels a tile has, and moving some channels of it.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/common/divisor.h"
#include "kernels/common/fetch_ahead.h"
#include "kernels/conv2d/winograd.h"

namespace metatape::kernels::winograd {

using std::int64_t;

/// Floats of a cache line.
inline constexpr int64_t kLine = kCacheLine / sizeof(float);

/// Images [N,H,W,C] of one task, or some channels of them.
template <class T>
struct Images {
  T* data;
  int64_t count, height, width, channels;
  int64_t pixel = channels;  ///< elements from one pixel to the next

  T* at(int64_t image, int64_t row, int64_t column) const {
    return data + ((image * height + row) * width + column) * pixel;
  }
};

/// How N images of `height` x `width` results are cut into tiles, counted image by image, row by
/// row.
struct TileGrid {
  int64_t images, height, width;

  int64_t columns() const { return ceil_div(width, kResults); }
  int64_t per_image() const { return ceil_div(height, kResults) * columns(); }
  int64_t count() const { return images * per_image(); }
};

/// Calls visit(tile, image, top, left) for the tiles [begin, end), with the place of each one's
/// first result.
template <class Visit>
void for_each_tile(const TileGrid& grid, int64_t begin, int64_t end, Visit visit) {
  const int64_t per_image = grid.per_image(), columns = grid.columns();
  for (int64_t tile = begin; tile < end; ++tile) {
    const int64_t in_image = tile % per_image;
    visit(tile, tile / per_image, in_image / columns * kResults, in_image % columns * kResults);
  }
}

/// Moves all lanes of a register.
struct AllLanes {
  void load(const float* from, Lanes& to) const { to = *reinterpret_cast<const LooseLanes*>(from); }
  void store(const Lanes& from, float* to) const { *reinterpret_cast<LooseLanes*>(to) = from; }
  void gather(const float* from, int64_t step, Lanes& to) const {
    to = Lanes{from[0],        from[step],     from[2 * step], from[3 * step],
               from[4 * step], from[5 * step], from[6 * step], from[7 * step]};
  }
};

/// Moves the first `count`; the others are loaded as zero.
struct FirstLanes {
  std::size_t count;
  void load(const float* from, Lanes& to) const {
    to = Lanes{};
    std::memcpy(&to, from, count * sizeof(float));
  }
  void store(const Lanes& from, float* to) const { std::memcpy(to, &from, count * sizeof(float)); }
  void gather(const float* from, int64_t step, Lanes& to) const {
    to = Lanes{};
    for (std::size_t lane = 0; lane < count; ++lane) to[lane] = from[int64_t(lane) * step];
  }
};

/// Calls visit(first channel, lanes) for the channels by registers, the last of which may be
/// partial.
template <class Visit>
void for_each_lanes(int64_t channels, Visit visit) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) visit(c, AllLanes{});
  if (c < channels) visit(c, FirstLanes{std::size_t(channels - c)});
}

/// The rows or columns of a tile at `begin` that lie in [0, extent).
struct Inside {
  Inside(int64_t begin, int64_t side, int64_t extent)
      : first(int(std::clamp<int64_t>(-begin, 0, side))),
        last(int(std::clamp<int64_t>(extent - begin, first, side))) {}
  int first, last;
};

/// A square of pixels at (top, left), zero outside of the image, from channel c on.
template <int kSide, class Width>
void load_tile(const Images<const float>& x, int64_t image, int64_t top, int64_t left, int64_t c,
               Width lanes, Tile<kSide>& tile) {
  const Inside rows(top, kSide, x.height), columns(left, kSide, x.width);
  const float* first = x.at(image, top, left) + c;
  const int64_t line = x.width * x.pixel;
  if (rows.last - rows.first == kSide && columns.last - columns.first == kSide) {
    for (int i = 0; i < kSide; ++i)
      for (int j = 0; j < kSide; ++j) lanes.load(first + i * line + j * x.pixel, tile[i][j]);
    return;
  }
  for (int i = 0; i < kSide; ++i)
    for (int j = 0; j < kSide; ++j) tile[i][j] = Lanes{};
  for (int i = rows.first; i < rows.last; ++i)
    for (int j = columns.first; j < columns.last; ++j)
      lanes.load(first + i * line + j * x.pixel, tile[i][j]);
}

template <class Width>
void store_results(const Tile<kResults>& tile, int64_t image, int64_t top, int64_t left, int64_t c,
                   Width lanes, const Images<float>& y) {
  float* first = y.at(image, top, left) + c;
  const int rows = int(std::min<int64_t>(kResults, y.height - top));
  const int columns = int(std::min<int64_t>(kResults, y.width - left));
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) lanes.store(tile[i][j], first + (i * y.width + j) * y.pixel);
}

/// Fetches what the squares of `side` pixels of the tiles [begin, end) do not share with those
/// above and to the left of them, as many pixels as results. Of `parts` calls each fetches a part.
template <class T>
void fetch_tiles(const Images<T>& x, int side, const TileGrid& grid, int64_t begin, int64_t end,
                 int64_t pad, int part, int parts) {
  const int64_t rows = (end - begin) * kResults, shared = side - kResults - pad;
  for (int64_t i = rows * part / parts; i < rows * (part + 1) / parts; ++i) {
    const int64_t tile = begin + i / kResults, in_image = tile % grid.per_image();
    const int64_t row = in_image / grid.columns() * kResults + shared + i % kResults;
    const int64_t column = in_image % grid.columns() * kResults + shared;
    if (row >= x.height) continue;
    const int64_t end_column = std::min(column + kResults, x.width);
    for (int64_t q = column; q < end_column; ++q)
      fetch_ahead(x.at(tile / grid.per_image(), row, q), x.channels);
  }
}

/// The 36 matrices [rows, columns] of a block, one per point. A cache line lies between them, so
/// that a tile's 36 values do not fall into one set of the cache.
struct Points {
  float* data;
  int64_t columns, stride;
  float* at(int point) const { return data + point * stride; }
};
inline constexpr int64_t points_stride(int64_t rows, int64_t columns) {
  return ceil_div(rows * columns, kLine) * kLine + kLine;
}

template <class Width>
void store_points(const Tile<kTile>& tile, int64_t row, int64_t c, Width lanes,
                  const Points& points) {
  float* to = points.data + row * points.columns + c;
  for (int i = 0; i < kTile; ++i)
    for (int j = 0; j < kTile; ++j, to += points.stride) lanes.store(tile[i][j], to);
}

template <class Width>
void load_points(const Points& points, int64_t row, int64_t c, Width lanes, Tile<kTile>& tile) {
  const float* from = points.data + row * points.columns + c;
  for (int i = 0; i < kTile; ++i)
    for (int j = 0; j < kTile; ++j, from += points.stride) lanes.load(from, tile[i][j]);
}

/// Squares of `kSide` pixels of the tiles [begin, end) to points, one row of the matrices each.
template <int kSide, class Transform>
void pixels_to_points(const Images<const float>& x, const TileGrid& grid, int64_t begin,
                      int64_t end, int64_t pad, const Transform& transform, const Points& points) {
  for_each_tile(grid, begin, end, [&](auto tile, auto image, auto top, auto left) {
    for_each_lanes(x.channels, [&](int64_t c, auto lanes) {
      Tile<kSide> pixels;
      Tile<kTile> products;
      load_tile(x, image, top - pad, left - pad, c, lanes, pixels);
      transform_tile(transform, pixels, products);
      store_points(products, tile - begin, c, lanes, points);
    });
  });
}

inline void points_to_results(const Points& points, const TileGrid& grid, int64_t begin,
                              int64_t end, const Images<float>& y) {
  for_each_tile(grid, begin, end, [&](auto tile, auto image, auto top, auto left) {
    for_each_lanes(y.channels, [&](int64_t c, auto lanes) {
      Tile<kTile> products;
      Tile<kResults> results;
      load_points(points, tile - begin, c, lanes, products);
      transform_tile(PointsToResults{}, products, results);
      store_results(results, image, top, left, c, lanes, y);
    });
  });
}

/// Filters of one task: tap (r, s) from channel `in` to `out` is at r row + s column + in in_stride
/// + out out_stride.
struct Filters {
  const float* data;
  int64_t row, column, in_stride, out_stride;
};

/// Filters to the channels [begin, end), from each other one, to those columns of the points [in,
/// out].
inline void taps_to_points(const Filters& w, int64_t in_channels, int64_t begin, int64_t end,
                           const Points& points) {
  for (int64_t in = 0; in < in_channels; ++in)
    for_each_lanes(end - begin, [&](int64_t lane, auto lanes) {
      const int64_t out = begin + lane;
      const float* first = w.data + in * w.in_stride + out * w.out_stride;
      Tile<kTaps> taps;
      Tile<kTile> products;
      for (int r = 0; r < kTaps; ++r)
        for (int s = 0; s < kTaps; ++s)
          lanes.gather(first + r * w.row + s * w.column, w.out_stride, taps[r][s]);
      transform_tile(TapsToPoints{}, taps, products);
      store_points(products, in, out, lanes, points);
    });
}

}  // namespace metatape::kernels::winograd
