#include <cblas.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/emulation/blas_api.h"
#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/error.h"
#include "kernels/emulation/settings.h"
#include "kernels/emulation/stream.h"

using namespace metatape::kernels::emulation;

struct cublasContext {
  cudaStream_t stream = nullptr;
  cublasMath_t mode = CUBLAS_DEFAULT_MATH;
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
};

namespace {

constexpr const char* kProduct = "cublasSgemmStridedBatched";
constexpr std::size_t kWorkspaceAlignment = 256;
constexpr std::size_t kOverwritten = 64 << 10;  // of the workspace: enough to be noticed

/// A batch of matrices of one operand, stored by columns.
struct Matrices {
  const char* name;
  const float* data;
  int rows, columns, leading;
  long long stride;

  std::size_t matrix_elements() const {
    return std::size_t(columns - 1) * std::size_t(leading) + std::size_t(rows);
  }
  std::size_t elements(int batch) const {
    return std::size_t(batch - 1) * std::size_t(stride) + matrix_elements();
  }

  void check(int batch, Site site) const {
    if (leading < rows) {
      refuse(kProduct, site,
             std::string(name) + " has the leading dimension " + std::to_string(leading) +
                 " and columns of " + std::to_string(rows) + " elements");
    }
    if (stride < 0) refuse(kProduct, site, std::string(name) + " has a negative stride");
    require_device(data, elements(batch) * sizeof(float), kProduct, name, site);
  }
};

bool overlap(const Matrices& x, const Matrices& y, int batch) {
  return x.data < y.data + y.elements(batch) && y.data < x.data + x.elements(batch);
}

/// To the nearest number with 11 significant bits; what is not finite stays.
float round_to_tf32(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7f800000u) == 0x7f800000u) return x;
  return std::bit_cast<float>((bits + 0x1000u) & ~0x1fffu);
}

struct Product {
  cublasContext settings;
  cublasOperation_t a_operation, b_operation;
  int m, n, k, batch;
  float alpha, beta;
  Matrices a, b, c;
  float* result;
  Site site;

  void check() const {
    for (const Matrices& operand : {a, b, c}) operand.check(batch, site);
    if (batch > 1 && std::size_t(c.stride) < c.matrix_elements()) {
      refuse(kProduct, site, "the results of the batch overlap each other");
    }
    if (overlap(a, c, batch) || overlap(b, c, batch)) {
      refuse(kProduct, site, "the result overlaps a factor");
    }
    if (settings.workspace) {
      require_device(settings.workspace, settings.workspace_bytes, kProduct, "the workspace", site);
    }
  }

  void run() const {
    check();  // again: a graph may outlive the memory
    const DeviceAccess access;
    if (settings.workspace) {
      std::memset(settings.workspace, 0xFF, std::min(settings.workspace_bytes, kOverwritten));
    }
    [[maybe_unused]] static const bool once = (openblas_set_num_threads(1), true);
    for (int i = 0; i < batch; ++i) {
      const std::vector<float> a_factor = factor(a, i), b_factor = factor(b, i);
      cblas_sgemm(CblasColMajor, a_operation == CUBLAS_OP_T ? CblasTrans : CblasNoTrans,
                  b_operation == CUBLAS_OP_T ? CblasTrans : CblasNoTrans, m, n, k, alpha,
                  a_factor.data(), a.leading, b_factor.data(), b.leading, beta,
                  result + i * c.stride, c.leading);
    }
  }

  /// Matrix i in the precision of the handle.
  std::vector<float> factor(const Matrices& x, int i) const {
    const float* begin = x.data + i * x.stride;
    std::vector<float> values(begin, begin + x.matrix_elements());
    if (settings.mode == CUBLAS_TF32_TENSOR_OP_MATH) {
      std::transform(values.begin(), values.end(), values.begin(), round_to_tf32);
    }
    return values;
  }
};

void require_no_capture(const char* call, Site site) {
  if (capture_forbids_host_calls()) {
    refuse(call, site, "called during a capture; cuBLAS allocates and synchronises there");
  }
}

}  // namespace

const char* cublasGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "success" : "the resource allocation failed";
}

cublasStatus_t cublasCreate(cublasHandle_t* handle, Site site) {
  require_no_capture("cublasCreate", site);
  *handle = nullptr;
  if (device_bytes_in_use() >= settings().device_bytes) return CUBLAS_STATUS_ALLOC_FAILED;
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle, Site site) {
  require_no_capture("cublasDestroy", site);
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  handle->workspace = nullptr;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, std::size_t size,
                                  Site site) {
  require_device(workspace, size, "cublasSetWorkspace", "the workspace", site);
  if (reinterpret_cast<std::uintptr_t>(workspace) % kWorkspaceAlignment != 0) {
    refuse("cublasSetWorkspace", site, "the workspace does not start at a multiple of 256 bytes");
  }
  handle->workspace = workspace;
  handle->workspace_bytes = size;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  handle->mode = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t a_operation,
                                         cublasOperation_t b_operation, int m, int n, int k,
                                         const float* alpha, const float* a, int lda,
                                         long long a_stride, const float* b, int ldb,
                                         long long b_stride, const float* beta, float* c, int ldc,
                                         long long c_stride, int batch, Site site) {
  if (m <= 0 || n <= 0 || k <= 0 || batch <= 0) {
    refuse(kProduct, site, "an extent is not positive; such a product needs no call");
  }
  cudaStreamCaptureStatus capture;
  cudaStreamIsCapturing(handle->stream, &capture);
  if (capture == cudaStreamCaptureStatusActive && !handle->workspace) {
    refuse(kProduct, site,
           "captured without cublasSetWorkspace (which cublasSetStream takes back); cuBLAS would "
           "allocate");
  }
  require_host(alpha, kProduct, "alpha", site);
  require_host(beta, kProduct, "beta", site);
  const bool a_transposed = a_operation == CUBLAS_OP_T, b_transposed = b_operation == CUBLAS_OP_T;
  const Product product{
      .settings = *handle,
      .a_operation = a_operation,
      .b_operation = b_operation,
      .m = m,
      .n = n,
      .k = k,
      .batch = batch,
      .alpha = *alpha,
      .beta = *beta,
      .a = {"a", a, a_transposed ? k : m, a_transposed ? m : k, lda, a_stride},
      .b = {"b", b, b_transposed ? n : k, b_transposed ? k : n, ldb, b_stride},
      .c = {"c", c, m, n, ldc, c_stride},
      .result = c,
      .site = site,
  };
  product.check();
  enqueue(handle->stream, [product] { product.run(); });
  return CUBLAS_STATUS_SUCCESS;
}
