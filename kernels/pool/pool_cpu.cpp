#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/pool/pool.h"
#include "kernels/pool/row_argmax.h"

namespace metatape::kernels {

namespace {

std::int64_t row_elements(const PoolGeometry& g) { return g.width * g.channels; }
std::int64_t image_elements(const PoolGeometry& g) { return g.height * row_elements(g); }
std::int64_t pooled_row_elements(const PoolGeometry& g) { return g.out_width() * g.channels; }
std::int64_t pooled_elements(const PoolGeometry& g) {
  return g.out_height() * pooled_row_elements(g);
}

/// Calls body(plane) for every image.
template <class Body>
void for_each_plane(const PoolGeometry& g, const CpuContext& context, const Body& body) {
  parallel_for(g.planes, g.planes * image_elements(g), context, body);
}

/// Calls body(pixel, output, place) for each pixel of each window of an image, in row order: the
/// first element of the pixel in the image, and of its window in the pooled image.
template <class Body>
void for_each_place(const PoolGeometry& g, const Body& body) {
  for (std::int64_t p = 0; p < g.out_height(); ++p)
    for (std::int64_t q = 0; q < g.out_width(); ++q)
      for (std::int64_t r = 0; r < g.window; ++r)
        for (std::int64_t s = 0; s < g.window; ++s)
          body((p * g.stride + r) * row_elements(g) + (q * g.stride + s) * g.channels,
               p * pooled_row_elements(g) + q * g.channels, WindowPlace(r * g.window + s));
}

}  // namespace

template <class T>
void max_pool_index(const PoolGeometry& g, const T* x, WindowPlace* index,
                    const CpuContext& context) {
  for_each_plane(g, context, [&](std::int64_t plane) {
    for (std::int64_t p = 0; p < g.out_height(); ++p)
      row_argmax(g, x + plane * image_elements(g) + p * g.stride * row_elements(g),
                 index + plane * pooled_elements(g) + p * pooled_row_elements(g));
  });
}

template <class T>
void pool_gather(const PoolGeometry& g, const T* x, const WindowPlace* index, T* y,
                 const CpuContext& context) {
  for_each_plane(g, context, [&](std::int64_t plane) {
    const T* const image = x + plane * image_elements(g);
    const std::int64_t first = plane * pooled_elements(g);
    for_each_place(g, [&](std::int64_t pixel, std::int64_t output, WindowPlace place) {
      const WindowPlace* __restrict from = index + first + output;
      const T* __restrict in = image + pixel;
      T* __restrict out = y + first + output;
      for (std::int64_t c = 0; c < g.channels; ++c) {
        const T here = in[c], before = out[c];
        out[c] = from[c] == place ? here : before;
      }
    });
  });
}

template <class T>
void pool_scatter(const PoolGeometry& g, const T* y_bar, const WindowPlace* index, T* x_bar,
                  const CpuContext& context) {
  for_each_plane(g, context, [&](std::int64_t plane) {
    T* const image = x_bar + plane * image_elements(g);
    const std::int64_t first = plane * pooled_elements(g);
    std::fill_n(image, image_elements(g), T(0));
    for_each_place(g, [&](std::int64_t pixel, std::int64_t output, WindowPlace place) {
      const WindowPlace* __restrict to = index + first + output;
      const T* __restrict in = y_bar + first + output;
      T* __restrict out = image + pixel;
      for (std::int64_t c = 0; c < g.channels; ++c) out[c] += to[c] == place ? in[c] : T(0);
    });
  });
}

#define MT_INSTANTIATE(T)                                                                       \
  template void max_pool_index(const PoolGeometry&, const T*, WindowPlace*, const CpuContext&); \
  template void pool_gather(const PoolGeometry&, const T*, const WindowPlace*, T*,              \
                            const CpuContext&);                                                 \
  template void pool_scatter(const PoolGeometry&, const T*, const WindowPlace*, T*,             \
                             const CpuContext&);
MT_INSTANTIATE(float)
MT_INSTANTIATE(double)
#undef MT_INSTANTIATE

}  // namespace metatape::kernels
