#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/common/cuda_context.h"

namespace metatape::cuda_tests {

/// Fails the test program on any status but success: exit code 0 of a launch proves nothing.
inline void require(cudaError_t status, const char* what) {
  if (status != cudaSuccess)
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

/// An array in device memory, on its own, so that what reaches past it is found. Starts with all
/// bytes 0xFF: NaN, or -1.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count) : count_(count) {
    require(cudaMalloc(&data_, std::max<std::size_t>(1, count * sizeof(T))), "cudaMalloc");
    require(cudaMemset(data_, 0xFF, count * sizeof(T)), "cudaMemset");
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    require(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice),
            "copy to the device");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* get() const { return data_; }
  operator T*() const { return data_; }

  /// Waits for the device.
  std::vector<T> read() const {
    std::vector<T> values(count_);
    require(cudaDeviceSynchronize(), "kernel");
    require(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost),
            "copy from the device");
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

}  // namespace metatape::cuda_tests
