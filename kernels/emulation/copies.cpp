#include <cstring>

#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/error.h"
#include "kernels/emulation/stream.h"

using namespace metatape::kernels::emulation;

namespace {

struct Copy {
  void* to;
  const void* from;
  std::size_t size;
  cudaMemcpyKind kind;
  const char* call;
  Site site;

  void check() const {
    if (size == 0) return;
    const bool default_kind = kind == cudaMemcpyDefault;
    const bool to_device = default_kind
                               ? is_device_address(to)
                               : kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device =
        default_kind ? is_device_address(from)
                     : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (to_device) require_device(to, size, call, "the destination", site);
    if (!to_device) require_host(to, call, "the destination", site);
    if (from_device) require_device(from, size, call, "the source", site);
    if (!from_device) require_host(from, call, "the source", site);
    const auto* target = static_cast<const char*>(to);
    const auto* source = static_cast<const char*>(from);
    if (target < source + size && source < target + size) {
      refuse(call, site, "the destination overlaps the source");
    }
  }

  void run() const {
    check();
    const DeviceAccess access;
    if (size > 0) std::memcpy(to, from, size);
  }
};

void fill(void* to, int byte, std::size_t size, const char* call, Site site) {
  if (size == 0) return;
  require_device(to, size, call, "the destination", site);
  const DeviceAccess access;
  std::memset(to, byte, size);
}

}  // namespace

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t size, cudaMemcpyKind kind,
                            cudaStream_t stream, Site site) {
  const Copy copy{to, from, size, kind, "cudaMemcpyAsync", site};
  copy.check();
  enqueue(stream, [copy] { copy.run(); });
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t size, cudaMemcpyKind kind,
                       Site site) {
  if (capture_forbids_host_calls()) {
    refuse("cudaMemcpy", site, "called during a capture; use cudaMemcpyAsync");
  }
  run_blocking_streams();
  Copy{to, from, size, kind, "cudaMemcpy", site}.run();
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int byte, std::size_t size, cudaStream_t stream, Site site) {
  if (size > 0) require_device(to, size, "cudaMemsetAsync", "the destination", site);
  enqueue(stream, [=] { fill(to, byte, size, "cudaMemsetAsync", site); });
  return cudaSuccess;
}

cudaError_t cudaMemset(void* to, int byte, std::size_t size, Site site) {
  return cudaMemsetAsync(to, byte, size, nullptr, site);
}
