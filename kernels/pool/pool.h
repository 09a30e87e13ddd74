#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

/// Square windows without padding over `planes` = T N images in HWC order; 1 <= window <= H, W,
/// kMaxWindow.
///   P = (H - window) / stride + 1,  Q = (W - window) / stride + 1   (floor: a ragged edge is
///   dropped)
struct PoolGeometry {
  std::int64_t planes, height, width, channels;
  std::int64_t window = 2, stride = 2;

  std::int64_t out_height() const { return (height - window) / stride + 1; }
  std::int64_t out_width() const { return (width - window) / stride + 1; }
};

/// A place in a window: row * window + column. A byte, because an index is kept from the forward
/// pass to the last derivative that needs it.
using WindowPlace = std::uint8_t;
inline constexpr std::int64_t kMaxWindow = 16;

/// index[i,p,q,c] = place of the largest x[i,h,w,c] in window p, q; the first in row order wins a
/// tie; a NaN wins over everything. Writes every element. No aliasing.
template <class T>
void max_pool_index(const PoolGeometry&, const T* x, WindowPlace* index, const CpuContext&);
template <class T>
void max_pool_index(const PoolGeometry&, const T* x, WindowPlace* index, const CudaContext&);

/// y[i,p,q,c] = x[i,h,w,c] at the place index[i,p,q,c] of window p, q.
template <class T>
void pool_gather(const PoolGeometry&, const T* x, const WindowPlace* index, T* y,
                 const CpuContext&);
template <class T>
void pool_gather(const PoolGeometry&, const T* x, const WindowPlace* index, T* y,
                 const CudaContext&);

/// x_bar[i,h,w,c] = sum of y_bar[i,p,q,c] over the windows p, q in which index[i,p,q,c] is its
/// place. The adjoint of pool_gather. Writes every element of x_bar.
template <class T>
void pool_scatter(const PoolGeometry&, const T* y_bar, const WindowPlace* index, T* x_bar,
                  const CpuContext&);
template <class T>
void pool_scatter(const PoolGeometry&, const T* y_bar, const WindowPlace* index, T* x_bar,
                  const CudaContext&);

}  // namespace metatape::kernels
