#include "engine/exec/cuda_memory.h"

#include <algorithm>

#include "engine/error.h"

namespace metatape {

void check_cuda(cudaError_t status, const std::string& doing) {
  if (status == cudaSuccess) return;
  const ErrorKind kind =
      status == cudaErrorMemoryAllocation ? ErrorKind::memory : ErrorKind::device;
  fail(kind, "cuda", "{}: {} ({})", doing, cudaGetErrorString(status), cudaGetErrorName(status));
}

DeviceBuffer::DeviceBuffer(std::size_t bytes, const std::string& what) : bytes_(bytes) {
  const cudaError_t status = cudaMalloc(&data_, std::max<std::size_t>(bytes, 1));
  if (status == cudaErrorMemoryAllocation) {
    std::size_t available = 0, total = 0;
    check_cuda(cudaMemGetInfo(&available, &total), "asking how much memory is free");
    fail(ErrorKind::memory, what,
         "needs {} MiB of the GPU, which has {} of {} MiB free; use fewer tasks at once "
         "(outer.tasks) or inner.recompute=true",
         bytes >> 20, available >> 20, total >> 20);
  }
  check_cuda(status, fmt::format("allocating {} bytes for {}", bytes, what));
  check_cuda(cudaMemset(data_, 0, bytes), fmt::format("clearing {}", what));
}

void CudaGraph::begin(const CudaStream& stream) {
  check_cuda(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal),
             "starting to capture the program");
}

void CudaGraph::end(const CudaStream& stream) {
  cudaGraph_t recorded = nullptr;
  check_cuda(cudaStreamEndCapture(stream.get(), &recorded), "capturing the program");
  const cudaError_t counted = cudaGraphGetNodes(recorded, nullptr, &nodes_);
  const cudaError_t made = cudaGraphInstantiate(&graph_, recorded, 0);
  cudaGraphDestroy(recorded);
  check_cuda(counted, "counting the nodes of the program's graph");
  check_cuda(made, "making the program's graph");
}

void CudaGraph::launch(const CudaStream& stream) const {
  check_cuda(cudaGraphLaunch(graph_, stream.get()), "launching the program's graph");
}

}  // namespace metatape
