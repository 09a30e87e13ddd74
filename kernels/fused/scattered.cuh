#pragma once

#include "kernels/common/divisor.h"
#include "kernels/common/vector.cuh"
#include "kernels/fused/fused.h"

namespace metatape::kernels {

struct NoScattering {};

/// What pool_scatter would write, element by element, for windows that do not overlap.
struct DeviceScattering {
  DeviceScattering() = default;
  explicit DeviceScattering(const Scattering& s)
      : index(s.index),
        channels(s.pool.channels),
        height(s.pool.height),
        width(s.pool.width),
        stride(s.pool.stride),
        out_height(int(s.pool.out_height())),
        out_width(int(s.pool.out_width())),
        window(int(s.pool.window)) {}

  const WindowPlace* index = nullptr;
  Divisor<std::int32_t> channels, height, width, stride;
  int out_height = 0, out_width = 0, window = 0;

  template <class Index>
  static __device__ Index quotient(Index n, const Divisor<std::int32_t>& d) {
    if constexpr (sizeof(Index) == sizeof(std::int32_t))
      return d.divide(n);
    else
      return n / d.divisor();
  }

  /// kWidth channels of x_bar from element `at` on.
  template <int kWidth, class Index>
  __device__ Vector<float, kWidth> load(const float* y_bar, Index at) const {
    const Index pixel = quotient(at, channels), row = quotient(pixel, width);
    const Index plane = quotient(row, height);
    const int channel = int(at - pixel * channels.divisor());
    const int w = int(pixel - row * width.divisor()), h = int(row - plane * height.divisor());
    const auto [p, r] = stride.split(h);
    const auto [q, s] = stride.split(w);
    Vector<float, kWidth> x_bar{};
    if (p >= out_height || q >= out_width || r >= window || s >= window) return x_bar;
    const Index pooled = ((plane * out_height + p) * out_width + q) * channels.divisor() + channel;
    const auto to = kernels::load<kWidth>(index + pooled);
    const auto in = kernels::load<kWidth>(y_bar + pooled);
    MT_UNROLL
    for (int k = 0; k < kWidth; ++k) x_bar[k] = to[k] == r * window + s ? in[k] : 0.f;
    return x_bar;
  }
};

}  // namespace metatape::kernels
