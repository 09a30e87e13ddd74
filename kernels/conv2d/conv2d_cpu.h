#pragma once

// The ways in which the CPU convolves, for the choice among them (conv2d_cpu.cpp), tests and
// benchmarks. Each follows the contract of conv2d.h: work is cut by the geometry alone, so that any
// number of threads gives the same bits.

#include "kernels/conv2d/conv2d.h"

namespace metatape::kernels {

enum class ConvMap { forward, input_grad, weight_grad };

enum class ConvMethod {
  patches,  ///< the patch matrix times the filters, through BLAS; any geometry, float and double
  few_channels,  ///< own loops; multiples of 8 filters, not the input gradient
  onednn,    ///< oneDNN's direct convolution, where it is installed and has code for the geometry
  winograd,  ///< F(4x4, 3x3): 3x3 filters with stride 1 and a pad of 0, 1 or 2
};

/// Whether `method` computes `map` of this geometry in float.
bool supports(ConvMethod method, ConvMap map, const Conv2dGeometry&);

/// The fastest method, by the measurements in NOTES.md; Winograd's only if context.winograd.
ConvMethod choose_method(ConvMap map, const Conv2dGeometry&, const CpuContext& context);

// The maps of conv2d.h by a given method that supports them.

void conv2d(const Conv2dArgs<float>&, ConvMethod, const CpuContext&);
void conv2d_input_grad(const Conv2dInputGradArgs<float>&, ConvMethod, const CpuContext&);
void conv2d_weight_grad(const Conv2dWeightGradArgs<float>&, ConvMethod, const CpuContext&);
std::int64_t conv2d_workspace_elements(ConvMap, const Conv2dGeometry&, ConvMethod,
                                       const CpuContext&);

// One file each.

template <class T>
void conv2d_patches(const Conv2dArgs<T>&, const CpuContext&);
template <class T>
void conv2d_patches(const Conv2dInputGradArgs<T>&, const CpuContext&);
template <class T>
void conv2d_patches(const Conv2dWeightGradArgs<T>&, const CpuContext&);
std::int64_t conv2d_patches_workspace(ConvMap map, const Conv2dGeometry&, const CpuContext&);

bool few_channels_supports(ConvMap map, const Conv2dGeometry&);
void conv2d_few_channels(const Conv2dArgs<float>&, const CpuContext&);
void conv2d_few_channels(const Conv2dWeightGradArgs<float>&, const CpuContext&);
std::int64_t conv2d_few_channels_workspace(ConvMap map, const Conv2dGeometry&, const CpuContext&);

bool onednn_supports(ConvMap map, const Conv2dGeometry&);
void conv2d_onednn(const Conv2dArgs<float>&, const CpuContext&);
void conv2d_onednn(const Conv2dInputGradArgs<float>&, const CpuContext&);
void conv2d_onednn(const Conv2dWeightGradArgs<float>&, const CpuContext&);
std::int64_t conv2d_onednn_workspace(ConvMap map, const Conv2dGeometry&, const CpuContext&);

bool winograd_supports(const Conv2dGeometry&);
void conv2d_winograd(const Conv2dArgs<float>&, const CpuContext&);
void conv2d_winograd(const Conv2dInputGradArgs<float>&, const CpuContext&);
void conv2d_winograd(const Conv2dWeightGradArgs<float>&, const CpuContext&);
std::int64_t conv2d_winograd_workspace(ConvMap map, const Conv2dGeometry&, const CpuContext&);

}  // namespace metatape::kernels
