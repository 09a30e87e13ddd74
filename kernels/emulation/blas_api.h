#pragma once

// The part of cuBLAS that metatape uses, on the CPU, under cuBLAS's names. OpenBLAS answers, when
// the stream of the handle gets there. Wrong use throws EmulationError, with the line of the call.

#include "kernels/emulation/runtime_api.h"

enum cublasStatus_t { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_ALLOC_FAILED = 3 };
enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum cublasMath_t { CUBLAS_DEFAULT_MATH = 0, CUBLAS_TF32_TENSOR_OP_MATH = 3 };
using cublasHandle_t = struct cublasContext*;

#define MT_SITE \
  ::metatape::kernels::emulation::Site site = ::metatape::kernels::emulation::Site::current()

const char* cublasGetStatusString(cublasStatus_t);

/// ALLOC_FAILED if no device memory is left; cuBLAS takes some for itself.
cublasStatus_t cublasCreate(cublasHandle_t*, MT_SITE);
cublasStatus_t cublasDestroy(cublasHandle_t, MT_SITE);
/// Also takes the workspace away, as cuBLAS does.
cublasStatus_t cublasSetStream(cublasHandle_t, cudaStream_t);
/// Products overwrite it. Without one they are refused in a capture: cuBLAS would allocate.
cublasStatus_t cublasSetWorkspace(cublasHandle_t, void* workspace, std::size_t size, MT_SITE);
/// TF32 rounds the factors to 11 bits, to nearest.
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t);

/// c[i] = alpha op(a[i]) op(b[i]) + beta c[i], stored by columns: op(a) is [m,k], op(b) [k,n], and
/// matrix i of a starts at a + i * a_stride. alpha and beta are host memory.
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t, cublasOperation_t a_operation,
                                         cublasOperation_t b_operation, int m, int n, int k,
                                         const float* alpha, const float* a, int lda,
                                         long long a_stride, const float* b, int ldb,
                                         long long b_stride, const float* beta, float* c, int ldc,
                                         long long c_stride, int batch, MT_SITE);

#undef MT_SITE
