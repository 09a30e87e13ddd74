#pragma once

#include <cstddef>

#include "kernels/common/cuda_context.h"
#include "kernels/matmul/matmul.h"

struct cublasContext;  // what cuBLAS's handle points to

namespace metatape::kernels {

/// cuBLAS, on one stream and in one precision.
///
/// It works in the memory that it is given and nowhere else: so a product is the same bits each
/// time, and can be captured into a graph, once the same product ran outside of one: then cuBLAS
/// has loaded its kernel. Calls of several threads at once are not allowed.
///
/// Nothing here throws. What the library first refused is kept; whoever made the object asks for
/// it, when it is made and again after enqueueing, and reports a device error.
class CudaBlas {
 public:
  /// What NVIDIA advises for sm_90; for others it advises 4 MiB.
  static constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

  /// `workspace`: kWorkspaceBytes of device memory from cudaMalloc, for as long as products may
  /// run. Not during a capture.
  CudaBlas(cudaStream_t stream, Precision precision, void* workspace);
  ~CudaBlas();
  CudaBlas(const CudaBlas&) = delete;
  CudaBlas& operator=(const CudaBlas&) = delete;

  /// Enqueues the products. Extents must be positive and fit a 32-bit int.
  void multiply(const MatmulArgs<float>&);

  /// "cublasCreate: the resource allocation failed" or the like; null: nothing failed.
  const char* failure() const { return failure_[0] ? failure_ : nullptr; }

 private:
  cublasContext* handle_ = nullptr;
  char failure_[128] = {};
};

}  // namespace metatape::kernels
