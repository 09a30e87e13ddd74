#include "kernels/emulation/blas_api.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/settings.h"
#include "tests/emulation/expect_refused.h"

namespace metatape {
namespace {

using kernels::emulation::settings;

constexpr int kCount = 6;
constexpr std::size_t kBytes = kCount * sizeof(float);
constexpr std::size_t kWorkspaceBytes = 1024;

/// c [2,2] = a [2,3] b [3,2], all stored by columns.
class BlasApi : public testing::Test {
 protected:
  void SetUp() override {
    settings() = {};
    for (float** array : {&a_, &b_, &c_}) cudaMalloc(array, kBytes);
    cudaMalloc(&workspace_, kWorkspaceBytes);
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    const std::vector<float> a{1, 2, 3, 4, 5, 6}, b{1, 0, 2, 0, 1, 1};
    cudaMemcpy(a_, a.data(), kBytes, cudaMemcpyHostToDevice);
    cudaMemcpy(b_, b.data(), kBytes, cudaMemcpyHostToDevice);
    ASSERT_EQ(cublasCreate(&handle_), CUBLAS_STATUS_SUCCESS);
    cublasSetStream(handle_, stream_);
    cublasSetWorkspace(handle_, workspace_, kWorkspaceBytes);
  }
  void TearDown() override {
    cudaDeviceSynchronize();
    cublasDestroy(handle_);
    cudaStreamDestroy(stream_);
    for (float* array : {a_, b_, c_}) cudaFree(array);
    cudaFree(workspace_);
    settings() = {};
    EXPECT_EQ(kernels::emulation::device_allocations(), 0u);
  }

  void multiply(const float* a, int lda, float* c, int batch = 1, long long c_stride = 0) {
    const float one = 1, zero = 0;
    cublasSgemmStridedBatched(handle_, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 3, &one, a, lda, 0, b_, 3, 0,
                              &zero, c, 2, c_stride, batch);
  }
  void multiply() { multiply(a_, 2, c_); }

  std::vector<float> result() {
    std::vector<float> c(4);
    cudaMemcpy(c.data(), c_, 4 * sizeof(float), cudaMemcpyDeviceToHost);
    return c;
  }

  const std::vector<float> expected_{11, 14, 8, 10};
  float *a_ = nullptr, *b_ = nullptr, *c_ = nullptr;
  unsigned char* workspace_ = nullptr;
  cudaStream_t stream_ = nullptr;
  cublasHandle_t handle_ = nullptr;
};

TEST_F(BlasApi, MultipliesMatricesStoredByColumns) {
  multiply();
  EXPECT_EQ(result(), expected_);
}

TEST_F(BlasApi, Tf32RoundsTheFactorsToElevenBits) {
  const std::vector<float> a{1 + 3 * 0x1p-12f, 1 + 0x1p-12f, 1 - 0x1p-11f, 0, 0, 0}, b(kCount, 1);
  cudaMemcpy(a_, a.data(), kBytes, cudaMemcpyHostToDevice);
  cudaMemcpy(b_, b.data(), kBytes, cudaMemcpyHostToDevice);
  multiply();
  EXPECT_EQ(result()[1], 1 + 0x1p-12f);
  cublasSetMathMode(handle_, CUBLAS_TF32_TENSOR_OP_MATH);
  multiply();
  EXPECT_EQ(result()[0], 2 + 0x1p-10f - 0x1p-11f);
  EXPECT_EQ(result()[1], 1);
}

TEST_F(BlasApi, WaitsItsTurnInTheStream) {
  settings().late = true;
  multiply();
  EXPECT_NE(result(), expected_);
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(result(), expected_);
}

TEST_F(BlasApi, IsPartOfACapturedGraph) {
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal);
  multiply();
  cublasHandle_t other;
  EXPECT_REFUSED(cublasCreate(&other), "during a capture");
  cudaStreamEndCapture(stream_, &graph);
  cudaGraphInstantiate(&executable, graph);
  EXPECT_NE(result(), expected_);
  cudaGraphLaunch(executable, stream_);
  EXPECT_EQ(result(), expected_);
  cudaFree(c_);
  EXPECT_REFUSED(cudaGraphLaunch(executable, stream_), "host memory, or freed");
  cudaMalloc(&c_, kBytes);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}

TEST_F(BlasApi, IsCapturedOnlyWithAWorkspaceOfItsOwn) {
  cudaGraph_t graph;
  cublasSetStream(handle_, stream_);  // takes the workspace away
  cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal);
  EXPECT_REFUSED(multiply(), "without cublasSetWorkspace");
  cudaStreamEndCapture(stream_, &graph);
  cudaGraphDestroy(graph);
  multiply();
  EXPECT_EQ(result(), expected_);
}

TEST_F(BlasApi, OverwritesItsWorkspace) {
  cudaMemset(workspace_, 0, kWorkspaceBytes);
  multiply();
  std::vector<unsigned char> bytes(kWorkspaceBytes);
  cudaMemcpy(bytes.data(), workspace_, kWorkspaceBytes, cudaMemcpyDeviceToHost);
  EXPECT_EQ(bytes.back(), 0xFF);
  EXPECT_REFUSED(cublasSetWorkspace(handle_, workspace_ + 1, 16), "multiple of 256");
  EXPECT_REFUSED(cublasSetWorkspace(handle_, workspace_, 2 * kWorkspaceBytes), "1024 bytes");
}

TEST_F(BlasApi, RefusesWrongOperands) {
  std::vector<float> host(kCount);
  EXPECT_REFUSED(multiply(host.data(), 2, c_), "host memory, or freed");
  EXPECT_REFUSED(multiply(nullptr, 2, c_), "host memory, or freed");
  EXPECT_REFUSED(multiply(a_ + 1, 2, c_), "20 bytes to the end of its allocation, 24");
  EXPECT_REFUSED(multiply(a_, 1, c_), "a has the leading dimension 1 and columns of 2 elements");
  EXPECT_REFUSED(multiply(a_, 2, a_), "the result overlaps a factor");
  EXPECT_REFUSED(multiply(a_, 2, c_, 2, 2), "overlap each other");
  EXPECT_REFUSED(multiply(a_, 2, c_, 0), "an extent is not positive");
}

TEST_F(BlasApi, CannotBeCreatedWithoutMemory) {
  cublasHandle_t other;
  settings().device_bytes = 0;
  EXPECT_EQ(cublasCreate(&other), CUBLAS_STATUS_ALLOC_FAILED);
  EXPECT_EQ(other, nullptr);
}

}  // namespace
}  // namespace metatape
