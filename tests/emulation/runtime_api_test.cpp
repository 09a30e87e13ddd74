#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kernels/common/launch.cuh"
#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/sanitizers.h"
#include "kernels/emulation/settings.h"
#include "tests/emulation/expect_refused.h"

namespace metatape {
namespace {

using kernels::emulation::settings;

__global__ void add_kernel(int* out, int x) { out[threadIdx.x] += x; }
__global__ void multiply_kernel(int* out, int x) { out[threadIdx.x] *= x; }

constexpr int kCount = 4;
constexpr std::size_t kBytes = kCount * sizeof(int);

class RuntimeApi : public testing::Test {
 protected:
  void SetUp() override {
    settings() = {};
    cudaMalloc(&device_, kBytes);
    cudaMemset(device_, 0, kBytes);
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking);
    cudaEventCreate(&event_);
  }
  void TearDown() override {
    cudaDeviceSynchronize();
    cudaEventDestroy(event_);
    cudaStreamDestroy(other_);
    cudaStreamDestroy(stream_);
    cudaFree(device_);
    settings() = {};
    EXPECT_EQ(kernels::emulation::device_allocations(), 0u);
  }
  void add(int x, cudaStream_t stream) { MT_LAUNCH(add_kernel, 1, kCount, 0, stream)(device_, x); }
  void multiply(int x, cudaStream_t stream) {
    MT_LAUNCH(multiply_kernel, 1, kCount, 0, stream)(device_, x);
  }
  int value() {  // as it is now: waits for no stream that does not block
    std::vector<int> host(kCount);
    cudaMemcpy(host.data(), device_, kBytes, cudaMemcpyDeviceToHost);
    return host[kCount - 1];
  }

  int* device_ = nullptr;
  cudaStream_t stream_ = nullptr, other_ = nullptr;
  cudaEvent_t event_ = nullptr;
};

TEST_F(RuntimeApi, FreshDeviceMemoryHoldsNothingOfUse) {
  int* fresh = nullptr;
  cudaMalloc(&fresh, kBytes);
  std::vector<int> host(kCount);
  cudaMemcpy(host.data(), fresh, kBytes, cudaMemcpyDeviceToHost);
  EXPECT_EQ(host, std::vector<int>(kCount, -1));
  cudaFree(fresh);
}

TEST_F(RuntimeApi, CopiesRefuseTheWrongSide) {
  std::vector<int> host(kCount);
  EXPECT_REFUSED(cudaMemcpy(host.data(), device_, kBytes, cudaMemcpyHostToDevice),
                 "the destination");
  EXPECT_REFUSED(cudaMemcpy(host.data(), host.data(), kBytes, cudaMemcpyDeviceToHost),
                 "is host memory");
  EXPECT_REFUSED(cudaMemcpy(device_, device_, kBytes, cudaMemcpyHostToDevice), "is device memory");
  EXPECT_REFUSED(cudaMemcpy(device_ + 1, host.data(), kBytes, cudaMemcpyHostToDevice),
                 "has 12 bytes to the end");
  EXPECT_REFUSED(cudaMemset(host.data(), 0, kBytes), "is host memory");
}

TEST_F(RuntimeApi, FreeRefusesWhatIsNotTheStartOfAnAllocation) {
  EXPECT_REFUSED(cudaFree(device_ + 1), "is not the start of device memory");
  int* freed = nullptr;
  cudaMalloc(&freed, kBytes);
  cudaFree(freed);
  EXPECT_REFUSED(cudaFree(freed), "or was freed");
  EXPECT_REFUSED(MT_LAUNCH(add_kernel, 1, 1, 0, stream_)(freed, 1), "or freed");
}

TEST_F(RuntimeApi, ExhaustedMemoryIsAStatus) {
  settings().device_bytes = 1024;
  int* large = nullptr;
  EXPECT_EQ(cudaMalloc(&large, 2048), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(RuntimeApi, AWriteJustOutsideIsNamedWithoutSanitizers) {
  if (kernels::emulation::has_address_sanitizer()) GTEST_SKIP() << "the sanitizer's own report";
  EXPECT_REFUSED(MT_LAUNCH(add_kernel, 1, kCount + 1, 0, stream_)(device_, 1), "just outside");
}

TEST_F(RuntimeApi, LaunchesRefuseImpossibleShapes) {
  EXPECT_REFUSED(MT_LAUNCH(add_kernel, 0, kCount, 0, stream_)(device_, 1), "a grid of (0, 1, 1)");
  EXPECT_REFUSED(MT_LAUNCH(add_kernel, 1, dim3(1, 1, 65), 0, stream_)(device_, 1), "1 to 64 in z");
  EXPECT_REFUSED(MT_LAUNCH(add_kernel, 1, 1, 50000, stream_)(device_, 1), "at most 49152");
  EXPECT_REFUSED(
      cudaFuncSetAttribute(add_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 1 << 20),
      "at most 232448");
  cudaFuncSetAttribute(add_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 60000);
  MT_LAUNCH(add_kernel, 1, kCount, 50000, stream_)(device_, 1);
  EXPECT_EQ(value(), 1);
}

TEST_F(RuntimeApi, LateWorkWaitsForASynchronisation) {
  settings().late = true;
  add(3, stream_);
  EXPECT_EQ(value(), 0);
  EXPECT_EQ(cudaStreamQuery(stream_), cudaErrorNotReady);
  cudaStreamSynchronize(other_);
  EXPECT_EQ(value(), 0) << "that was another stream";
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(value(), 3);
}

TEST_F(RuntimeApi, LateWorkGoesOnWhileItIsAskedFor) {
  settings().late = true;
  add(3, stream_);
  add(4, stream_);
  int questions = 0;
  while (cudaStreamQuery(stream_) == cudaErrorNotReady) ++questions;
  EXPECT_EQ(questions, 4);
  EXPECT_EQ(value(), 7);
}

TEST_F(RuntimeApi, LateWorkShowsAMissingEvent) {
  settings().late = true;
  add(3, stream_);
  multiply(10, other_);  // should wait for the addition
  cudaDeviceSynchronize();
  EXPECT_EQ(value(), 3) << "the last stream runs first";
}

TEST_F(RuntimeApi, AnEventOrdersStreams) {
  settings().late = true;
  add(3, stream_);
  cudaEventRecord(event_, stream_);
  add(100, stream_);
  cudaStreamWaitEvent(other_, event_);
  multiply(10, other_);
  cudaStreamSynchronize(other_);
  EXPECT_EQ(value(), 30) << "only what the event stands for runs before";
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(value(), 130);
}

TEST_F(RuntimeApi, BlockingStreamsAreOrderedWithTheDefaultStream) {
  settings().late = true;
  cudaStream_t blocking = nullptr;
  cudaStreamCreate(&blocking);
  add(3, blocking);
  multiply(10, nullptr);
  add(1, blocking);
  cudaDeviceSynchronize();
  EXPECT_EQ(value(), 31);
  cudaStreamDestroy(blocking);
}

TEST_F(RuntimeApi, FreeRefusesMemoryThatQueuedWorkMayUse) {
  settings().late = true;
  add(3, stream_);
  EXPECT_REFUSED(cudaFree(device_), "1 operations");
}

TEST_F(RuntimeApi, ElapsedTimeNeedsBothEvents) {
  cudaEvent_t end = nullptr;
  cudaEventCreate(&end);
  float milliseconds = -1;
  EXPECT_REFUSED(cudaEventElapsedTime(&milliseconds, event_, end), "not recorded");
  cudaEventRecord(event_, stream_);
  add(1, stream_);
  cudaEventRecord(end, stream_);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event_, end), cudaSuccess);
  EXPECT_GE(milliseconds, 0);
  cudaEventDestroy(end);
}

TEST_F(RuntimeApi, AGraphRunsWhatWasCapturedAsOftenAsItIsLaunched) {
  int* const target = device_;
  int step = 3;
  cudaGraph_t graph = nullptr;
  cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal);
  add(step, stream_);
  multiply(2, stream_);
  step = 1000;  // too late: the argument has been captured
  cudaMemsetAsync(target, 0, sizeof(int), stream_);
  cudaStreamEndCapture(stream_, &graph);
  EXPECT_EQ(value(), 0) << "a capture runs nothing";
  std::size_t nodes = 0;
  cudaGraphGetNodes(graph, nullptr, &nodes);
  EXPECT_EQ(nodes, 3u);
  cudaGraphExec_t executable = nullptr;
  cudaGraphInstantiate(&executable, graph);
  cudaGraphDestroy(graph);
  settings().late = true;
  for (int i = 0; i < 3; ++i) cudaGraphLaunch(executable, stream_);
  EXPECT_EQ(value(), 0);
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(value(), ((3 * 2 + 3) * 2 + 3) * 2);
  cudaGraphExecDestroy(executable);
}

TEST_F(RuntimeApi, ACaptureForksAndJoinsByEvents) {
  cudaGraph_t graph = nullptr;
  cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal);
  add(1, stream_);
  cudaEventRecord(event_, stream_);
  cudaStreamWaitEvent(other_, event_);
  multiply(5, other_);
  cudaEventRecord(event_, other_);
  cudaStreamWaitEvent(stream_, event_);
  cudaStreamEndCapture(stream_, &graph);
  cudaGraphExec_t executable = nullptr;
  cudaGraphInstantiate(&executable, graph);
  cudaGraphLaunch(executable, stream_);
  EXPECT_EQ(value(), 5);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}

TEST_F(RuntimeApi, ACaptureRefusesWhatCannotBeInAGraph) {
  cudaGraph_t graph = nullptr;
  int* memory = nullptr;
  cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal);
  EXPECT_REFUSED(cudaStreamSynchronize(stream_), "during a capture");
  EXPECT_REFUSED(cudaMalloc(&memory, 4), "during a capture");
  EXPECT_REFUSED(value(), "during a capture");
  EXPECT_REFUSED(cudaStreamBeginCapture(other_, cudaStreamCaptureModeGlobal), "open already");
  cudaEventRecord(event_, stream_);
  cudaStreamWaitEvent(other_, event_);
  multiply(5, other_);
  EXPECT_REFUSED(cudaStreamEndCapture(other_, &graph), "no capture began");
  EXPECT_REFUSED(cudaStreamEndCapture(stream_, &graph), "does not wait");
}

TEST_F(RuntimeApi, AFailureDropsTheWorkBehindIt) {
  settings().late = true;
  int* freed = nullptr;
  add(1, stream_);
  cudaMalloc(&freed, kBytes);
  cudaMemsetAsync(freed, 0, kBytes, stream_);
  cudaStreamSynchronize(stream_);
  cudaGraph_t graph = nullptr;
  cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal);
  cudaMemsetAsync(freed, 0, kBytes, stream_);
  cudaStreamEndCapture(stream_, &graph);
  cudaGraphExec_t executable = nullptr;
  cudaGraphInstantiate(&executable, graph);
  cudaFree(freed);
  cudaGraphLaunch(executable, stream_);
  add(10, stream_);
  EXPECT_REFUSED(cudaStreamSynchronize(stream_), "or freed");
  cudaStreamSynchronize(stream_);
  EXPECT_EQ(value(), 1);
  cudaGraphExecDestroy(executable);
  cudaGraphDestroy(graph);
}

}  // namespace
}  // namespace metatape
