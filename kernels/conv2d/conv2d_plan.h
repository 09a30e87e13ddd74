#pragma once

// How the CUDA kernels cut a convolution. All of it follows from the extents, so that every GPU
// sums in the same order.

#include <cstdint>

#include "kernels/common/precision.h"
#include "kernels/conv2d/conv2d.h"

namespace metatape::kernels {

/// How products are formed.
enum class Arithmetic {
  fma,          ///< f32 on the ordinary units
  tf32,         ///< tensor cores, factors rounded to 11 bits
  compensated,  ///< tensor cores, three products of factors in two parts of 11 bits: f32
};

/// Rows and columns of the result that one block computes.
enum class BlockShape { r128c64, r64c64, r32c32 };

struct Conv2dPlan {
  Arithmetic arithmetic;
  BlockShape shape;
  std::int64_t parts = 1;  ///< of the reduction, each with a partial sum in the workspace
};

Conv2dPlan plan_conv2d(const Conv2dGeometry&, Precision);
Conv2dPlan plan_conv2d_input_grad(const Conv2dGeometry&, Precision);
Conv2dPlan plan_conv2d_weight_grad(const Conv2dGeometry&, Precision);

/// Pixels that one part of the weight gradient sums over; the last part has the rest.
std::int64_t part_pixels(const Conv2dGeometry&, std::int64_t parts);

// Dense images under shared filters are the images of one task.
Conv2dGeometry join_tasks(const Conv2dArgs<float>&);
Conv2dGeometry join_tasks(const Conv2dInputGradArgs<float>&);

// The maps of conv2d.h by a given plan, for tests and benchmarks.
void conv2d(const Conv2dArgs<float>&, const Conv2dPlan&, const CudaContext&);
void conv2d_input_grad(const Conv2dInputGradArgs<float>&, const Conv2dPlan&, const CudaContext&);
void conv2d_weight_grad(const Conv2dWeightGradArgs<float>&, const Conv2dPlan&, const CudaContext&);

}  // namespace metatape::kernels
