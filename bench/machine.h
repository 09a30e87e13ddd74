#pragma once

// Where a timed kernel runs: memory of that place, filled with random values, and its clock.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels/common/cpu_context.h"
#include "kernels/common/philox.h"
#if MT_HAVE_CUDA
#include "engine/error.h"
#include "engine/exec/cuda_memory.h"
#include "kernels/matmul/cuda_blas.h"
#endif

namespace metatape::bench {

/// Uniform in [-1, 1). The length is prime, so that repeating the block lines up with no extent.
/// Never zeros: they run faster than data does on some machines.
inline const std::vector<float>& random_block() {
  static const std::vector<float> block = [] {
    kernels::RandomStream random(0, kernels::RandomPurpose::initialisation, 0, 0);
    std::vector<float> values(1048573);
    for (float& v : values) v = float(2 * random.uniform() - 1);
    return values;
  }();
  return block;
}

/// Matrices [batch, n, n] that Cholesky takes: random, with n on the diagonal.
inline std::vector<float> dominant_matrices(std::int64_t batch, std::int64_t n) {
  std::vector<float> a(std::size_t(batch * n * n));
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = random_block()[i % random_block().size()];
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t i = 0; i < n; ++i) a[std::size_t((b * n + i) * n + i)] = float(n);
  return a;
}

class CpuMachine {
 public:
  explicit CpuMachine(int threads) : context_{.threads = threads}, flushed_(kFlushedBytes) {}

  const kernels::CpuContext& context() const { return context_; }

  void* allocate(std::size_t bytes) {
    return buffers_.emplace_back(std::make_unique<std::byte[]>(bytes)).get();
  }
  void write(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  void copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  void release() { buffers_.clear(); }

  /// Of one call, the caches emptied before it.
  template <class Call>
  double milliseconds(const Call& call) {
    std::memset(flushed_.data(), ++flush_value_, flushed_.size());
    const auto begin = std::chrono::steady_clock::now();
    call();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
        .count();
  }

 private:
  static constexpr std::size_t kFlushedBytes = std::size_t{64} << 20;

  kernels::CpuContext context_;
  std::vector<std::byte> flushed_;
  int flush_value_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> buffers_;
};

#if MT_HAVE_CUDA
class CudaMachine {
 public:
  explicit CudaMachine(kernels::Precision precision)
      : blas_space_(kernels::CudaBlas::kWorkspaceBytes, "cuBLAS workspace"),
        blas_(stream_.get(), precision, blas_space_.get()),
        flushed_(kFlushedBytes, "the flush of the L2 cache"),
        context_{.stream = stream_.get(), .precision = precision, .blas = &blas_} {
    check_cuda(cudaEventCreate(&begin_), "making an event");
    check_cuda(cudaEventCreate(&end_), "making an event");
  }
  ~CudaMachine() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }
  CudaMachine(const CudaMachine&) = delete;
  CudaMachine& operator=(const CudaMachine&) = delete;

  const kernels::CudaContext& context() const { return context_; }

  void* allocate(std::size_t bytes) {
    void* memory = buffers_.emplace_back(bytes, "a benchmark").get();
    check_cuda(cudaDeviceSynchronize(), "clearing memory");  // our stream does not wait for others
    return memory;
  }
  void write(void* to, const void* from, std::size_t bytes) {
    check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "writing operands");
    check_cuda(cudaDeviceSynchronize(), "writing operands");
  }
  void copy(void* to, const void* from, std::size_t bytes) {
    check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_.get()),
               "copying");
  }
  void release() { buffers_.clear(); }

  /// Of one call on the device, the L2 cache emptied before it. Meanwhile the host enqueues the
  /// call, so that its own time does not count.
  template <class Call>
  double milliseconds(const Call& call) {
    check_cuda(cudaMemsetAsync(flushed_.get(), 0, flushed_.bytes(), stream_.get()), "flushing");
    check_cuda(cudaEventRecord(begin_, stream_.get()), "timing");
    call();
    check_cuda(cudaEventRecord(end_, stream_.get()), "timing");
    check_cuda(cudaEventSynchronize(end_), "running a kernel");
    check_cuda(cudaGetLastError(), "launching a kernel");
    if (blas_.failure()) fail(ErrorKind::device, "cublas", "{}", blas_.failure());
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, begin_, end_), "timing");
    return double(milliseconds);
  }

 private:
  static constexpr std::size_t kFlushedBytes = std::size_t{256} << 20;  ///< L2: 50 MB on an H100

  CudaStream stream_;
  DeviceBuffer blas_space_;
  kernels::CudaBlas blas_;
  DeviceBuffer flushed_;
  kernels::CudaContext context_;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  std::vector<DeviceBuffer> buffers_;
};
#endif

/// Space for `count` values of T, there until release().
template <class T, class Machine>
T* space(Machine& machine, std::int64_t count) {
  return static_cast<T*>(
      machine.allocate(std::size_t(std::max<std::int64_t>(count, 1)) * sizeof(T)));
}

/// `count` random values, there until release(): one block, repeated.
template <class Machine>
float* random_values(Machine& machine, std::int64_t count) {
  const std::vector<float>& block = random_block();
  float* values = space<float>(machine, count);
  const auto length = std::int64_t(block.size());
  machine.write(values, block.data(), std::size_t(std::min(length, count)) * sizeof(float));
  for (std::int64_t i = length; i < count; i += length)
    machine.copy(values + i, values, std::size_t(std::min(length, count - i)) * sizeof(float));
  return values;
}

template <class Machine>
float* copy_of(Machine& machine, const std::vector<float>& host) {
  float* device = space<float>(machine, std::int64_t(host.size()));
  machine.write(device, host.data(), host.size() * sizeof(float));
  return device;
}

}  // namespace metatape::bench
