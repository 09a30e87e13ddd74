#pragma once

#include "kernels/common/context.h"
#include "kernels/common/cuda_api.h"
#include "kernels/common/precision.h"

namespace metatape::kernels {

class CudaBlas;  // kernels/matmul/cuda_blas.h

/// What a CUDA kernel may know of its surroundings: where to enqueue, and how products are formed.
/// A kernel enqueues and returns; it never allocates, synchronises or reads device memory, so that
/// everything it does can be captured into a graph. Launch shapes and the cut of reductions follow
/// from the extents alone, never from the number of multiprocessors: every GPU gives the same bits.
struct CudaContext {
  cudaStream_t stream = nullptr;
  Precision precision = Precision::fp32;
  CudaBlas* blas = nullptr;  ///< may be null where no kernel of the program is a matmul
  Communicator* communicator = nullptr;  ///< may be null where the program has one rank
};

}  // namespace metatape::kernels
