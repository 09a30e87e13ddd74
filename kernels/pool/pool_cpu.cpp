#include <algorithm>
#include <array>

#include "kernels/common/parallel.h"
#include "kernels/pool/pool.h"

namespace metatape::kernels {

namespace {

/// Channels handled at a time, so that the running maxima of one pixel stay in the L1 cache.
constexpr std::int64_t kChannelBlock = 256;

std::int64_t image_elements(const PoolGeometry& g) { return g.height * g.width * g.channels; }

std::int64_t pooled_elements(const PoolGeometry& g) {
  return g.out_height() * g.out_width() * g.channels;
}

/// Calls body(plane) for every image.
template <class Body>
void for_each_plane(const PoolGeometry& g, const CpuContext& context, const Body& body) {
  parallel_for(g.planes, g.planes * image_elements(g), context, body);
}

/// index[c] = position of the winner among the window at row h, column w, for `channels` channels.
template <class T>
void window_argmax(const PoolGeometry& g, const T* image, std::int64_t h, std::int64_t w,
                   std::int64_t channels, std::int32_t* __restrict index) {
  std::array<T, kChannelBlock> best;
  const std::int64_t corner = h * g.width + w;
  for (std::int64_t c = 0; c < channels; ++c) {
    best[c] = image[corner * g.channels + c];
    index[c] = static_cast<std::int32_t>(corner);
  }
  for (std::int64_t r = 0; r < g.window; ++r) {
    for (std::int64_t s = 0; s < g.window; ++s) {
      const std::int64_t position = corner + r * g.width + s;
      const T* pixel = image + position * g.channels;
      for (std::int64_t c = 0; c < channels; ++c) {
        const T value = pixel[c];
        const bool first_nan = (value != value) & (best[c] == best[c]);
        const bool wins = (value > best[c]) | first_nan;
        best[c] = wins ? value : best[c];
        index[c] = wins ? static_cast<std::int32_t>(position) : index[c];
      }
    }
  }
}

}  // namespace

template <class T>
void max_pool_index(const PoolGeometry& g, const T* x, std::int32_t* index,
                    const CpuContext& context) {
  for_each_plane(g, context, [&](std::int64_t plane) {
    const T* image = x + plane * image_elements(g);
    std::int32_t* out = index + plane * pooled_elements(g);
    for (std::int64_t p = 0; p < g.out_height(); ++p) {
      for (std::int64_t q = 0; q < g.out_width(); ++q, out += g.channels) {
        for (std::int64_t c = 0; c < g.channels; c += kChannelBlock) {
          window_argmax(g, image + c, p * g.stride, q * g.stride,
                        std::min(kChannelBlock, g.channels - c), out + c);
        }
      }
    }
  });
}

template <class T>
void pool_gather(const PoolGeometry& g, const T* x, const std::int32_t* index, T* y,
                 const CpuContext& context) {
  const std::int64_t pixels = g.out_height() * g.out_width();
  for_each_plane(g, context, [&](std::int64_t plane) {
    const T* image = x + plane * image_elements(g);
    const std::int32_t* from = index + plane * pooled_elements(g);
    T* out = y + plane * pooled_elements(g);
    for (std::int64_t i = 0; i < pixels; ++i, from += g.channels, out += g.channels) {
      for (std::int64_t c = 0; c < g.channels; ++c) out[c] = image[from[c] * g.channels + c];
    }
  });
}

template <class T>
void pool_scatter(const PoolGeometry& g, const T* y_bar, const std::int32_t* index, T* x_bar,
                  const CpuContext& context) {
  const std::int64_t pixels = g.out_height() * g.out_width();
  for_each_plane(g, context, [&](std::int64_t plane) {
    T* image = x_bar + plane * image_elements(g);
    const std::int32_t* to = index + plane * pooled_elements(g);
    const T* in = y_bar + plane * pooled_elements(g);
    std::fill_n(image, image_elements(g), T(0));
    for (std::int64_t i = 0; i < pixels; ++i, to += g.channels, in += g.channels) {
      for (std::int64_t c = 0; c < g.channels; ++c) image[to[c] * g.channels + c] += in[c];
    }
  });
}

#define MT_INSTANTIATE(T)                                                                        \
  template void max_pool_index(const PoolGeometry&, const T*, std::int32_t*, const CpuContext&); \
  template void pool_gather(const PoolGeometry&, const T*, const std::int32_t*, T*,              \
                            const CpuContext&);                                                  \
  template void pool_scatter(const PoolGeometry&, const T*, const std::int32_t*, T*,             \
                             const CpuContext&);
MT_INSTANTIATE(float)
MT_INSTANTIATE(double)
#undef MT_INSTANTIATE

}  // namespace metatape::kernels
