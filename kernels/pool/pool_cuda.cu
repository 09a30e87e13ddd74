#include <initializer_list>
#include <type_traits>

#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/common/strided_index.h"
#include "kernels/common/vector.cuh"
#include "kernels/pool/pool.h"

// One thread for four channels (one, if they are not a multiple of four) of a pixel of the result;
// channels are contiguous, so every access of a warp is. No atomics: scatter asks, for each pixel,
// the windows that touch it, one where windows do not overlap, and adds them in row order.

namespace metatape::kernels {

namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;

std::int64_t image_elements(const PoolGeometry& g) { return g.height * g.width * g.channels; }

std::int64_t pooled_elements(const PoolGeometry& g) {
  return g.out_height() * g.out_width() * g.channels;
}

template <class Index>
__device__ Index thread_number() {
  return Index(blockIdx.x) * kThreads + Index(threadIdx.x);
}

unsigned blocks_for(std::int64_t vectors) { return unsigned(ceil_div(vectors, kThreads)); }

/// Calls body(constant of the vector width, Index of a type that suffices).
template <class T, class Body>
void with_types(const PoolGeometry& g, std::initializer_list<const T*> arrays,
                std::initializer_list<const WindowPlace*> indices, const Body& body) {
  bool in_vectors = g.channels % kWidth == 0;
  for (const T* array : arrays) in_vectors &= is_aligned(array, kWidth * sizeof(T));
  for (const WindowPlace* index : indices) in_vectors &= is_aligned(index, kWidth);
  with_index(g.planes * image_elements(g) <= kLargestNarrowIndex, [&](auto index) {
    in_vectors ? body(std::integral_constant<int, kWidth>{}, index)
               : body(std::integral_constant<int, 1>{}, index);
  });
}

/// The first elements of all windows, for `width` channels at a time.
StridedLoops<1> window_loops(const PoolGeometry& g, int width) {
  StridedLoops<1> loops;
  loops.append({g.planes, {image_elements(g)}});
  loops.append({g.out_height(), {g.stride * g.width * g.channels}});
  loops.append({g.out_width(), {g.stride * g.channels}});
  loops.append({g.channels / width, {width}});
  return loops;
}

/// The inside of a window; kWindow = 0: of an extent known only at run time.
template <class Index>
struct Window {
  Divisor<std::int32_t> extent;
  Index row;     ///< elements of x between rows
  Index column;  ///< elements of x between columns, the channels
};

template <class Index>
Window<Index> window_of(const PoolGeometry& g) {
  return {Divisor<std::int32_t>(g.window), Index(g.width * g.channels), Index(g.channels)};
}

/// `at`: first element of the window in x.
template <int kWidth, int kWindow, class T, class Index>
__global__ void __launch_bounds__(kThreads)
    max_pool_index_kernel(StridedIndex<1, Index> at, Index vectors, Window<Index> window,
                          const T* x, WindowPlace* index) {
  const Index vector = thread_number<Index>();
  if (vector >= vectors) return;
  x += at(vector).of[0];
  Vector<T, kWidth> best = load<kWidth>(x);
  Vector<WindowPlace, kWidth> winner{};
  const int extent = kWindow > 0 ? kWindow : window.extent.divisor();
  MT_UNROLL
  for (int r = 0; r < extent; ++r) {
    MT_UNROLL
    for (int s = 0; s < extent; ++s) {
      const Vector<T, kWidth> value = load<kWidth>(x + r * window.row + s * window.column);
      MT_UNROLL
      for (int k = 0; k < kWidth; ++k) {
        const bool first_nan = value[k] != value[k] && best[k] == best[k];
        if (value[k] > best[k] || first_nan) {
          best[k] = value[k];
          winner[k] = WindowPlace(r * extent + s);
        }
      }
    }
  }
  store(index + vector * kWidth, winner);
}

/// `at`: first element of the window in x.
template <int kWidth, class T, class Index>
__global__ void __launch_bounds__(kThreads)
    pool_gather_kernel(StridedIndex<1, Index> at, Index vectors, Window<Index> window, const T* x,
                       const WindowPlace* index, T* y) {
  const Index vector = thread_number<Index>();
  if (vector >= vectors) return;
  x += at(vector).of[0];
  const Vector<WindowPlace, kWidth> from = load<kWidth>(index + vector * kWidth);
  Vector<T, kWidth> out;
  MT_UNROLL
  for (int k = 0; k < kWidth; ++k) {
    const auto [r, s] = window.extent.split(from[k]);
    out[k] = x[r * window.row + s * window.column + k];
  }
  store(y + vector * kWidth, out);
}

/// The windows over an axis that touch a coordinate.
struct Windows {
  int window, count;
  Divisor<std::int32_t> stride;

  __device__ int first(int at) const { return at < window ? 0 : stride.divide(at - window) + 1; }
  __device__ int last(int at) const { return min(stride.divide(at), count - 1); }
  __device__ int inside(int at, int number) const { return at - number * stride.divisor(); }
};

/// `at`: row and column of a pixel, and the channel in the first pixel of the pooled image.
template <int kWidth, class T, class Index>
__global__ void __launch_bounds__(kThreads)
    pool_scatter_kernel(StridedIndex<3, Index> at, Index vectors, Windows over_rows,
                        Windows over_columns, Index channels, const T* y_bar,
                        const WindowPlace* index, T* x_bar) {
  const Index vector = thread_number<Index>();
  if (vector >= vectors) return;
  const auto pixel = at(vector);
  const int h = int(pixel.of[0]), w = int(pixel.of[1]);
  const int last_p = over_rows.last(h), last_q = over_columns.last(w);
  Vector<T, kWidth> sum{};
  for (int p = over_rows.first(h); p <= last_p; ++p) {
    for (int q = over_columns.first(w); q <= last_q; ++q) {
      const Index i = pixel.of[2] + (Index(p) * over_columns.count + q) * channels;
      const int place = over_rows.inside(h, p) * over_rows.window + over_columns.inside(w, q);
      const Vector<WindowPlace, kWidth> to = load<kWidth>(index + i);
      const Vector<T, kWidth> in = load<kWidth>(y_bar + i);
      MT_UNROLL
      for (int k = 0; k < kWidth; ++k) sum[k] += to[k] == place ? in[k] : T(0);
    }
  }
  store(x_bar + vector * kWidth, sum);
}

}  // namespace

template <class T>
void max_pool_index(const PoolGeometry& g, const T* x, WindowPlace* index,
                    const CudaContext& context) {
  if (g.planes * g.channels == 0) return;
  with_types<T>(g, {x}, {index}, [&](auto width, auto number) {
    using Index = decltype(number);
    constexpr int kChannels = width;  // of a thread
    const StridedLoops<1> loops = window_loops(g, kChannels);
    const unsigned blocks = blocks_for(loops.count());
    if (g.window == 2) {
      MT_LAUNCH((max_pool_index_kernel<kChannels, 2, T, Index>), blocks, kThreads, 0,
                context.stream)
      (StridedIndex<1, Index>(loops), Index(loops.count()), window_of<Index>(g), x, index);
    } else {
      MT_LAUNCH((max_pool_index_kernel<kChannels, 0, T, Index>), blocks, kThreads, 0,
                context.stream)
      (StridedIndex<1, Index>(loops), Index(loops.count()), window_of<Index>(g), x, index);
    }
  });
}

template <class T>
void pool_gather(const PoolGeometry& g, const T* x, const WindowPlace* index, T* y,
                 const CudaContext& context) {
  if (g.planes * g.channels == 0) return;
  with_types<T>(g, {y}, {index}, [&](auto width, auto number) {
    using Index = decltype(number);
    constexpr int kChannels = width;  // of a thread
    const StridedLoops<1> loops = window_loops(g, kChannels);
    MT_LAUNCH((pool_gather_kernel<kChannels, T, Index>), blocks_for(loops.count()), kThreads, 0,
              context.stream)
    (StridedIndex<1, Index>(loops), Index(loops.count()), window_of<Index>(g), x, index, y);
  });
}

template <class T>
void pool_scatter(const PoolGeometry& g, const T* y_bar, const WindowPlace* index, T* x_bar,
                  const CudaContext& context) {
  if (g.planes * g.channels == 0) return;
  with_types<T>(g, {y_bar, x_bar}, {index}, [&](auto width, auto number) {
    using Index = decltype(number);
    constexpr int kChannels = width;  // of a thread
    StridedLoops<3> loops;
    loops.append({g.planes, {0, 0, pooled_elements(g)}});
    loops.append({g.height, {1, 0, 0}});
    loops.append({g.width, {0, 1, 0}});
    loops.append({g.channels / kChannels, {0, 0, kChannels}});
    const Divisor<std::int32_t> stride(g.stride);
    const Windows over_rows{int(g.window), int(g.out_height()), stride};
    const Windows over_columns{int(g.window), int(g.out_width()), stride};
    MT_LAUNCH((pool_scatter_kernel<kChannels, T, Index>), blocks_for(loops.count()), kThreads, 0,
              context.stream)
    (StridedIndex<3, Index>(loops), Index(loops.count()), over_rows, over_columns,
     Index(g.channels), y_bar, index, x_bar);
  });
}

template void max_pool_index(const PoolGeometry&, const float*, WindowPlace*, const CudaContext&);
template void pool_gather(const PoolGeometry&, const float*, const WindowPlace*, float*,
                          const CudaContext&);
template void pool_scatter(const PoolGeometry&, const float*, const WindowPlace*, float*,
                           const CudaContext&);

}  // namespace metatape::kernels
