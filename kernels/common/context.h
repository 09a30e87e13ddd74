#pragma once

// Where a kernel runs. Each contract declares one function per context: the CPU's always exists,
// the GPU's in builds with CUDA or its emulation.

#include "kernels/common/cpu_context.h"

namespace metatape::kernels {

struct CudaContext;  // kernels/common/cuda_context.h

}  // namespace metatape::kernels
