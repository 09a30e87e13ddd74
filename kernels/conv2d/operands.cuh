#pragma once

// The operands of the three maps, seen as matrices that are never stored. Each has two kinds of
// index, decoded apart: of the pixel, filter or channel on one axis, and of the reduction on the
// other. at(row, depth) is an element of both.
//
// Elements that are next to each other along one axis (the channels of x and y_bar, one filter) are
// next to each other in memory, so that a run of four can be one copy of 16 bytes.
// Numbers of pixels and of taps times channels of one task are below 2^31; offsets have 64 bits.

#include <cstdint>

#include "kernels/common/divisor.h"

namespace metatape::kernels {

/// Where an element of an operand is, or that it is zero: then the address means nothing.
struct Element {
  const float* address;
  bool exists = true;
};

/// One place of the filter window and one channel.
struct Tap {
  int i, j, channel;
};

/// The order of the taps along an axis: [channel group, i, j, channel within the group]. With a
/// group that is as deep as a tile, the taps of one group follow each other and find their pixels
/// in the L1 cache.
struct TapOrder {
  Divisor<std::int32_t> group_taps;  ///< taps_i taps_j group
  Divisor<std::int32_t> line_taps;   ///< taps_j group
  Divisor<std::int32_t> group;

  __device__ Tap at(int index) const {
    const auto [g, in_group] = group_taps.split(index);
    const auto [i, in_line] = line_taps.split(in_group);
    const auto [j, channel] = group.split(in_line);
    return {i, j, g * group.divisor() + channel};
  }
};

/// Channels of a group: the depth of the larger tiles.
inline constexpr std::int64_t kGroupChannels = 16;

inline TapOrder taps_in_memory_order(std::int64_t i, std::int64_t j, std::int64_t channels) {
  return {Divisor<std::int32_t>(i * j * channels), Divisor<std::int32_t>(j * channels),
          Divisor<std::int32_t>(channels)};
}

inline TapOrder tap_order(std::int64_t i, std::int64_t j, std::int64_t channels) {
  return taps_in_memory_order(i, j, channels % kGroupChannels ? channels : kGroupChannels);
}

/// Pixels of a grid over all images, as the window of an image that each of them reads.
struct Window {
  int line;  ///< image times height
  int y, x;  ///< of tap (0, 0); may lie outside
};

/// The patch matrix (patches.h): x under the windows of y, or y_bar under those of x.
struct Patches {
  const float* image;
  int height, width, channels;
  Divisor<std::int32_t> grid_height, grid_width;  ///< of the pixels with a window
  int stride, first_y, first_x;  ///< window (p, q) starts at (p stride + first_y, ...)
  int direction;                 ///< 1, or -1 where tap (i, j) lies at (y - i, x - j)
  TapOrder taps;

  using Row = Window;
  using Depth = Tap;

  __device__ Window window(int pixel) const {
    const auto [line, q] = grid_width.split(pixel);
    const auto [n, p] = grid_height.split(line);
    return {n * height, p * stride + first_y, q * stride + first_x};
  }
  __device__ Row row(int index) const { return window(index); }
  __device__ Depth depth(int index) const { return taps.at(index); }

  __device__ Element at(const Window& window, const Tap& tap) const {
    const int y = window.y + direction * tap.i, x = window.x + direction * tap.j;
    const std::int64_t pixel = (window.line + y) * width + x;
    return {image + pixel * channels + tap.channel,
            unsigned(y) < unsigned(height) && unsigned(x) < unsigned(width)};
  }
};

/// The same with the roles of the axes exchanged.
struct PatchesTransposed : Patches {
  int first_pixel;

  using Row = Tap;
  using Depth = Window;

  __device__ Row row(int index) const { return taps.at(index); }
  __device__ Depth depth(int index) const { return window(first_pixel + index); }
  __device__ Element at(const Tap& tap, const Window& window) const {
    return Patches::at(window, tap);
  }
};

/// Filters w [K, R, S, C] with taps (first_r + i step, first_s + j step) of them.
struct Filters {
  const float* w;
  int filter_width, first_r, first_s, step;
  std::int64_t channels, filter_size;  ///< C and R S C
  TapOrder taps;

  __device__ std::int64_t place(const Tap& tap) const {
    return std::int64_t((first_r + tap.i * step) * filter_width + first_s + tap.j * step) *
           channels;
  }
};

/// One row for each filter; taps and channels of x are summed over.
struct FiltersByFilter : Filters {
  using Row = std::int64_t;
  using Depth = std::int64_t;

  __device__ Row row(int filter) const { return filter * filter_size; }
  __device__ Depth depth(int index) const {
    const Tap tap = taps.at(index);
    return place(tap) + tap.channel;
  }
  __device__ Element at(Row row, Depth depth) const { return {w + row + depth}; }
};

/// One row for each channel of x; taps and filters (the channels of y_bar) are summed over.
struct FiltersByChannel : Filters {
  using Row = int;
  using Depth = std::int64_t;

  __device__ Row row(int channel) const { return channel; }
  __device__ Depth depth(int index) const {
    const Tap tap = taps.at(index);
    return tap.channel * filter_size + place(tap);
  }
  __device__ Element at(Row row, Depth depth) const { return {w + depth + row}; }
};

/// y_bar with one row for each filter; pixels are summed over.
struct PixelsByFilter {
  const float* y_bar;
  std::int64_t filters;

  using Row = int;
  using Depth = std::int64_t;

  __device__ Row row(int filter) const { return filter; }
  __device__ Depth depth(int pixel) const { return pixel * filters; }
  __device__ Element at(Row row, Depth depth) const { return {y_bar + depth + row}; }
};

}  // namespace metatape::kernels
