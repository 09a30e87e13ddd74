#pragma once

#include <cstdint>

#include "kernels/common/context.h"

namespace metatape::kernels {

/// Extents of one task-batched convolution. Images are NHWC, filters KRSC.
///   P = (H + 2 pad - R) / stride + 1,  Q = (W + 2 pad - S) / stride + 1   (floor)
struct Conv2dGeometry {
  std::int64_t tasks = 1;
  std::int64_t images, height, width, channels;       // N, H, W, C
  std::int64_t filters, filter_height, filter_width;  // K, R, S
  std::int64_t stride = 1, pad = 0;

  std::int64_t out_height() const { return (height + 2 * pad - filter_height) / stride + 1; }
  std::int64_t out_width() const { return (width + 2 * pad - filter_width) / stride + 1; }
};

// x [T,N,H,W,C], w [T,K,R,S,C], y [T,N,P,Q,K]. Each operand has its own task stride in elements: 0
// shares it among all tasks. The result is dense over the tasks, fully written, and aliases
// nothing. The three maps are each other's adjoints. float and double on the CPU, float on a GPU;
// sums in the same type. The work is cut by the geometry alone.

/// y[t,n,p,q,k] = sum_{r,s,c} x[t,n, p stride + r - pad, q stride + s - pad, c] w[t,k,r,s,c]
/// (x is zero outside). Cost: 2 T N P Q K R S C flop.   Dumoulin & Visin 2016, arXiv:1603.07285, 2.
template <class T>
struct Conv2dArgs {
  Conv2dGeometry geometry;
  std::int64_t x_task_stride, w_task_stride;
  const T *x, *w;
  T* y;
  T* workspace;
};
template <class T>
void conv2d(const Conv2dArgs<T>&, const CpuContext&);
template <class T>
void conv2d(const Conv2dArgs<T>&, const CudaContext&);

/// x_bar[t,n,h,w,c] = sum over (p,q,r,s,k) that touch (h,w) of y_bar[t,n,p,q,k] w[t,k,r,s,c]
template <class T>
struct Conv2dInputGradArgs {
  Conv2dGeometry geometry;
  std::int64_t y_task_stride, w_task_stride;
  const T *y_bar, *w;
  T* x_bar;
  T* workspace;
};
template <class T>
void conv2d_input_grad(const Conv2dInputGradArgs<T>&, const CpuContext&);
template <class T>
void conv2d_input_grad(const Conv2dInputGradArgs<T>&, const CudaContext&);

/// w_bar[t,k,r,s,c] = sum_{n,p,q} y_bar[t,n,p,q,k] x[t,n, p stride + r - pad, q stride + s - pad,
/// c]
template <class T>
struct Conv2dWeightGradArgs {
  Conv2dGeometry geometry;
  std::int64_t x_task_stride, y_task_stride;
  const T *x, *y_bar;
  T* w_bar;
  T* workspace;
};
template <class T>
void conv2d_weight_grad(const Conv2dWeightGradArgs<T>&, const CpuContext&);
template <class T>
void conv2d_weight_grad(const Conv2dWeightGradArgs<T>&, const CudaContext&);

/// Elements of workspace each map needs: on the CPU the filters as the method wants them and a
/// block of work per thread (by what is chosen under the same context), on both the partial sums of
/// the weight gradient.
std::int64_t conv2d_workspace_elements(const Conv2dGeometry&, const CpuContext&);
std::int64_t conv2d_workspace_elements(const Conv2dGeometry&, const CudaContext&);
std::int64_t conv2d_input_grad_workspace_elements(const Conv2dGeometry&, const CpuContext&);
std::int64_t conv2d_input_grad_workspace_elements(const Conv2dGeometry&, const CudaContext&);
std::int64_t conv2d_weight_grad_workspace_elements(const Conv2dGeometry&, const CpuContext&);
std::int64_t conv2d_weight_grad_workspace_elements(const Conv2dGeometry&, const CudaContext&);

}  // namespace metatape::kernels
