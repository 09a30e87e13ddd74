#include "engine/target.h"

#include "engine/error.h"
#if MT_HAVE_CUDA
#include "kernels/common/cuda_api.h"
#endif

namespace metatape {

const char* device_name(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

#if MT_HAVE_CUDA
bool built_with_cuda() { return true; }

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
#else
bool built_with_cuda() { return false; }
bool cuda_device_present() { return false; }

void require_device(Device device) {
  if (device == Device::cuda)
    fail(ErrorKind::device, "cuda",
         "this build runs on the CPU only; found cuda, expected cpu. Build where nvcc is on the "
         "PATH, or use --device cpu");
}
#endif

}  // namespace metatape
