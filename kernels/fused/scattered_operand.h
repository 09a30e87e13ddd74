#pragma once

#include <algorithm>

#include "kernels/fused/fused.h"

namespace metatape::kernels {

/// What pool_scatter would write, element by element, for windows that do not overlap.
template <class T>
class ScatteredOperand {
 public:
  ScatteredOperand() = default;
  ScatteredOperand(const Scattering& scattering, const T* y_bar)
      : pool_(scattering.pool), index_(scattering.index), y_bar_(y_bar) {}

  explicit operator bool() const { return y_bar_ != nullptr; }

  /// out = the elements [first, first + count) of x_bar, as they lie in memory.
  void copy(std::int64_t first, std::int64_t count, T* out) const {
    const PoolGeometry& g = pool_;
    std::int64_t channel = first % g.channels, pixel = first / g.channels;
    std::int64_t w = pixel % g.width, h = pixel / g.width % g.height;
    std::int64_t plane = pixel / g.width / g.height;
    while (count > 0) {
      const std::int64_t length = std::min(count, g.channels - channel);
      copy_pixel(plane, h, w, channel, length, out);
      out += length;
      count -= length;
      channel = 0;
      if (++w < g.width) continue;
      w = 0;
      if (++h < g.height) continue;
      h = 0;
      ++plane;
    }
  }

 private:
  void copy_pixel(std::int64_t plane, std::int64_t h, std::int64_t w, std::int64_t channel,
                  std::int64_t count, T* __restrict out) const {
    const PoolGeometry& g = pool_;
    const std::int64_t p = h / g.stride, q = w / g.stride;
    const std::int64_t r = h - p * g.stride, column = w - q * g.stride;
    const bool is_in_a_window =
        p < g.out_height() && q < g.out_width() && r < g.window && column < g.window;
    if (!is_in_a_window) {
      std::fill_n(out, count, T(0));
      return;
    }
    const std::int64_t at =
        ((plane * g.out_height() + p) * g.out_width() + q) * g.channels + channel;
    const auto place = WindowPlace(r * g.window + column);
    const WindowPlace* __restrict to = index_ + at;
    const T* __restrict in = y_bar_ + at;
    for (std::int64_t c = 0; c < count; ++c) out[c] = to[c] == place ? in[c] : T(0);
  }

  PoolGeometry pool_{};
  const WindowPlace* index_ = nullptr;
  const T* y_bar_ = nullptr;
};

}  // namespace metatape::kernels
