#include "kernels/emulation/device_memory.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include "kernels/emulation/error.h"
#include "kernels/emulation/grid.h"
#include "kernels/emulation/guarded_bytes.h"
#include "kernels/emulation/runtime_api.h"
#include "kernels/emulation/sanitizers.h"
#include "kernels/emulation/settings.h"
#include "kernels/emulation/stream.h"

namespace metatape::kernels::emulation {
namespace {

constexpr std::size_t kAlignment = 256;  // what cudaMalloc promises

struct Memory {
  std::map<std::uintptr_t, GuardedBytes> allocations;  // by address
  std::map<std::uintptr_t, GuardedBytes> pinned;
  std::size_t bytes = 0;
  int accesses = 0;  // DeviceAccess objects that exist
};

Memory& memory() {
  static auto* memory = new Memory;  // streams destroyed at exit may still ask
  return *memory;
}

const GuardedBytes* find(const std::map<std::uintptr_t, GuardedBytes>& allocations,
                         const void* address) {
  const auto number = reinterpret_cast<std::uintptr_t>(address);
  auto after = allocations.upper_bound(number);
  if (after == allocations.begin()) return nullptr;
  const GuardedBytes& bytes = std::prev(after)->second;
  return number <= std::prev(after)->first + bytes.size() ? &bytes : nullptr;
}

std::string text_of(const void* pointer) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%p", pointer);
  return digits;
}

void require_no_capture(const char* call, Site site) {
  if (capture_forbids_host_calls()) {
    refuse(call, site, "called during a capture; it would not be part of the graph");
  }
}

}  // namespace

DeviceAccess::DeviceAccess() {
  if (memory().accesses++ > 0 || !has_address_sanitizer()) return;
  for (const auto& [begin, bytes] : memory().allocations) unpoison(bytes.data(), bytes.size());
}

DeviceAccess::~DeviceAccess() {
  if (--memory().accesses > 0 || !has_address_sanitizer()) return;
  for (const auto& [begin, bytes] : memory().allocations) poison(bytes.data(), bytes.size());
}

bool is_device_address(const void* address) {
  return find(memory().allocations, address) != nullptr;
}

void require_device(const void* begin, std::size_t size, const char* call, const char* argument,
                    Site site) {
  const GuardedBytes* bytes = find(memory().allocations, begin);
  if (!bytes) {
    refuse(call, site,
           std::string(argument) + " " + text_of(begin) +
               " is host memory, or freed; device memory (cudaMalloc) is expected");
  }
  const std::size_t left = bytes->data() + bytes->size() - static_cast<const char*>(begin);
  if (size > left) {
    refuse(call, site,
           std::string(argument) + " has " + std::to_string(left) +
               " bytes to the end of its allocation, " + std::to_string(size) + " are asked for");
  }
}

void require_host(const void* begin, const char* call, const char* argument, Site site) {
  if (!is_device_address(begin)) return;
  refuse(call, site,
         std::string(argument) + " " + text_of(begin) +
             " is device memory; host memory is expected (is the kind of the copy right?)");
}

void check_device_memory(const std::string& subject, Site site) {
  if (has_address_sanitizer()) return;
  for (const auto& [begin, bytes] : memory().allocations) {
    if (bytes.intact()) continue;
    bytes.mend();  // one report is enough
    refuse(subject, site,
           "a write just outside the device allocation " + text_of(bytes.data()) + " of " +
               std::to_string(bytes.size()) + " bytes; -fsanitize=address names the line");
  }
}

std::size_t device_bytes_in_use() { return memory().bytes; }
std::size_t device_allocations() { return memory().allocations.size(); }

}  // namespace metatape::kernels::emulation

using namespace metatape::kernels::emulation;

cudaError_t cudaMalloc(void** pointer, std::size_t size, Site site) {
  require_no_capture("cudaMalloc", site);
  if (size > settings().device_bytes - memory().bytes) {
    return remember(cudaErrorMemoryAllocation);
  }
  GuardedBytes bytes(size, kAlignment);
  *pointer = size == 0 ? nullptr : bytes.data();
  if (size == 0) return cudaSuccess;
  memory().bytes += size;
  if (memory().accesses == 0) poison(bytes.data(), size);  // of another rank, which waits
  memory().allocations.emplace(reinterpret_cast<std::uintptr_t>(*pointer), std::move(bytes));
  return cudaSuccess;
}

cudaError_t cudaFree(void* pointer, Site site) {
  if (!pointer) return cudaSuccess;
  require_no_capture("cudaFree", site);
  const auto found = memory().allocations.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == memory().allocations.end()) {
    refuse("cudaFree", site, text_of(pointer) + " is not the start of device memory, or was freed");
  }
  if (const std::size_t queued = queued_operations()) {
    refuse("cudaFree", site,
           std::to_string(queued) +
               " operations that may use the memory still wait in streams; "
               "synchronise before");
  }
  check_device_memory("cudaFree", site);
  memory().bytes -= found->second.size();
  unpoison(pointer, found->second.size());
  memory().allocations.erase(found);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, std::size_t size, Site site) {
  require_no_capture("cudaMallocHost", site);
  GuardedBytes bytes(size, kAlignment);
  *pointer = bytes.data();
  memory().pinned.emplace(reinterpret_cast<std::uintptr_t>(*pointer), std::move(bytes));
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer, Site site) {
  if (pointer && !memory().pinned.erase(reinterpret_cast<std::uintptr_t>(pointer))) {
    refuse("cudaFreeHost", site, text_of(pointer) + " was not given by cudaMallocHost");
  }
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = settings().device_bytes;
  *free = *total - memory().bytes;
  return cudaSuccess;
}

namespace metatape::kernels::emulation {

void check_argument(const LaunchShape& shape, int position, const void* pointer) {
  if (!pointer || is_device_address(pointer) || find(memory().pinned, pointer)) return;
  refuse(subject_of(shape), shape.site,
         "argument " + std::to_string(position) + ", " + text_of(pointer) +
             ", is host memory, or freed; device memory (cudaMalloc) is expected");
}

}  // namespace metatape::kernels::emulation
