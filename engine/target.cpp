#include "engine/target.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "engine/error.h"
#if MT_HAVE_CUDA
#include "engine/exec/cuda_memory.h"
#endif

namespace metatape {
namespace {

std::size_t free_host_memory() {
  std::ifstream info("/proc/meminfo");
  std::string key;
  for (std::size_t kib; info >> key >> kib; info.ignore(64, '\n'))
    if (key == "MemAvailable:") return kib << 10;
  return std::size_t(sysconf(_SC_AVPHYS_PAGES)) * std::size_t(sysconf(_SC_PAGESIZE));
}

}  // namespace

const char* device_name(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

#if MT_HAVE_CUDA
bool built_with_cuda() { return true; }

std::size_t free_memory(Device device) {
  if (device == Device::cpu) return free_host_memory();
  std::size_t available = 0, total = 0;
  check_cuda(cudaMemGetInfo(&available, &total), "asking how much memory is free");
  return available;
}

bool cuda_device_present() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

void require_device(Device device) {
  if (device == Device::cpu) return;
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess)
    fail(ErrorKind::device, "cuda", "no usable GPU: {}; use --device cpu",
         cudaGetErrorString(status));
  if (count == 0) fail(ErrorKind::device, "cuda", "this machine has no GPU; use --device cpu");
}

void use_device(Device device, int index) {
  require_device(device);
  if (device == Device::cpu) return;
  int count = 0;
  check_cuda(cudaGetDeviceCount(&count), "counting GPUs");
  check_cuda(cudaSetDevice(index % count), "choosing a GPU");
}
#else
bool built_with_cuda() { return false; }
bool cuda_device_present() { return false; }
std::size_t free_memory(Device) { return free_host_memory(); }

void require_device(Device device) {
  if (device == Device::cuda)
    fail(ErrorKind::device, "cuda",
         "this build runs on the CPU only; found cuda, expected cpu. Build where nvcc is on the "
         "PATH, or use --device cpu");
}

void use_device(Device device, int) { require_device(device); }
#endif

}  // namespace metatape
