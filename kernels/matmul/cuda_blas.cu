#include "kernels/matmul/cuda_blas.h"

#include <cstdio>

#if defined(MT_EMULATION)
#include "kernels/emulation/blas_api.h"
#else
#include <cublas_v2.h>
#endif

namespace metatape::kernels {

CudaBlas::CudaBlas(cudaStream_t stream, Precision precision, void* workspace) {
  const auto succeeds = [&](cublasStatus_t status, const char* call) {
    if (status != CUBLAS_STATUS_SUCCESS)
      std::snprintf(failure_, sizeof failure_, "%s: %s", call, cublasGetStatusString(status));
    return status == CUBLAS_STATUS_SUCCESS;
  };
  // The default mode has the accuracy of f32 arithmetic: no TF32. Setting the stream takes the
  // workspace away, so that comes after it.
  const auto mode = precision == Precision::tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH;
  [[maybe_unused]] const bool done =
      succeeds(cublasCreate(&handle_), "cublasCreate") &&
      succeeds(cublasSetStream(handle_, stream), "cublasSetStream") &&
      succeeds(cublasSetWorkspace(handle_, workspace, kWorkspaceBytes), "cublasSetWorkspace") &&
      succeeds(cublasSetMathMode(handle_, mode), "cublasSetMathMode");
}

CudaBlas::~CudaBlas() {
  if (handle_) cublasDestroy(handle_);
}

// cuBLAS stores by columns: it sees each matrix transposed, and c' = op(b)' op(a)'.
void CudaBlas::multiply(const MatmulArgs<float>& args) {
  if (failure()) return;
  const float one = 1, zero = 0;
  const int m = int(args.m), n = int(args.n), k = int(args.k);
  const cublasStatus_t status = cublasSgemmStridedBatched(
      handle_, args.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N,
      args.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, n, m, k, &one, args.b, args.transpose_b ? k : n,
      args.b_stride, args.a, args.transpose_a ? m : k, args.a_stride, &zero, args.c, n,
      args.m * args.n, int(args.batch));
  if (status != CUBLAS_STATUS_SUCCESS)
    std::snprintf(failure_, sizeof failure_,
                  "cublasSgemmStridedBatched of %d x [%d,%d] [%d,%d]: %s", int(args.batch), m, k, k,
                  n, cublasGetStatusString(status));
}

}  // namespace metatape::kernels
