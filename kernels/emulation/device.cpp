#include <cstdio>
#include <map>
#include <utility>

#include "kernels/emulation/error.h"
#include "kernels/emulation/grid.h"
#include "kernels/emulation/settings.h"
#include "kernels/emulation/stream.h"

using namespace metatape::kernels::emulation;

namespace metatape::kernels::emulation {
namespace {

thread_local cudaError_t last_error = cudaSuccess;
thread_local int device_in_use = 0;

std::map<const void*, std::size_t>& raised_limits() {
  static std::map<const void*, std::size_t> limits;
  return limits;
}

}  // namespace

cudaError_t remember(cudaError_t status) { return last_error = status; }

int current_device() { return device_in_use; }

std::size_t dynamic_shared_limit(const void* kernel) {
  const auto found = raised_limits().find(kernel);
  return found == raised_limits().end() ? kSharedBytes : found->second;
}

}  // namespace metatape::kernels::emulation

cudaError_t cudaPeekAtLastError() { return last_error; }
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

const char* cudaGetErrorName(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
  }
  return "unknown";
}

const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNotReady:
      return "device not ready";
  }
  return "unknown";
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = settings().devices;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= settings().devices) return remember(cudaErrorInvalidDevice);
  device_in_use = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = device_in_use;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= settings().devices) return remember(cudaErrorInvalidDevice);
  *properties = {.major = 9,
                 .minor = 0,
                 .warpSize = kWarp,
                 .multiProcessorCount = 4,  // few: blocks run one after another
                 .maxThreadsPerBlock = int(kMostThreads),
                 .maxGridSize = {2147483647, 65535, 65535},
                 .sharedMemPerBlock = kSharedBytes,
                 .sharedMemPerBlockOptin = kSharedBytesOptIn,
                 .totalGlobalMem = settings().device_bytes};
  std::snprintf(properties->name, sizeof properties->name, "emulated on the CPU");
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value, Site site) {
  if (value < 0 || std::size_t(value) > kSharedBytesOptIn) {
    refuse("cudaFuncSetAttribute", site,
           std::to_string(value) + " bytes of dynamic shared memory; at most " +
               std::to_string(kSharedBytesOptIn) + " are possible");
  }
  raised_limits()[kernel] = std::size_t(value);
  return cudaSuccess;
}
