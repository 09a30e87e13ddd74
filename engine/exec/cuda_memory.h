#pragma once

// What the CUDA executor owns, released by destructors, and the check of every call's status.

#include <cstddef>
#include <string>
#include <utility>

#include "kernels/common/cuda_api.h"

namespace metatape {

/// Throws Error{device}, or Error{memory} where memory did not suffice, unless the call succeeded.
/// `doing` says what was tried: "copying input support_x".
void check_cuda(cudaError_t, const std::string& doing);

/// Memory of the device, all bytes 0.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(std::size_t bytes, const std::string& what);
  ~DeviceBuffer() { cudaFree(data_); }
  DeviceBuffer(DeviceBuffer&& other) noexcept { *this = std::move(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }

  void* get() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

class CudaStream {
 public:
  CudaStream() {
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
  }
  ~CudaStream() { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  cudaStream_t get() const { return stream_; }
  void wait(const std::string& doing) const { check_cuda(cudaStreamSynchronize(stream_), doing); }

 private:
  cudaStream_t stream_ = nullptr;
};

/// Work captured once and launched as one. Empty until capture().
class CudaGraph {
 public:
  CudaGraph() = default;
  ~CudaGraph() {
    if (graph_) cudaGraphExecDestroy(graph_);
  }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  explicit operator bool() const { return graph_ != nullptr; }
  std::size_t nodes() const { return nodes_; }

  /// Records what `enqueue` puts into the stream; nothing of it runs.
  template <class Enqueue>
  void capture(const CudaStream& stream, const Enqueue& enqueue) {
    begin(stream);
    enqueue();
    end(stream);
  }
  void launch(const CudaStream&) const;

 private:
  void begin(const CudaStream&);
  void end(const CudaStream&);

  cudaGraphExec_t graph_ = nullptr;
  std::size_t nodes_ = 0;
};

}  // namespace metatape
