#pragma once

#include <cstddef>
#include <string>

#include "kernels/emulation/site.h"

namespace metatape::kernels::emulation {

/// While one exists, device memory may be touched; otherwise the address sanitizer reports it, so
/// that a host function that reads a device pointer is found.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

/// Whether the address lies in device memory, its end included.
bool is_device_address(const void* address);

/// Throw unless [begin, begin + size) lies in one device allocation, or outside all of them.
void require_device(const void* begin, std::size_t size, const char* call, const char* argument,
                    Site);
void require_host(const void* begin, const char* call, const char* argument, Site);

/// Throws if something was written just outside an allocation.
void check_device_memory(const std::string& subject, Site);

std::size_t device_bytes_in_use();
/// Allocations not freed: 0 at the end of a program that leaks nothing.
std::size_t device_allocations();

}  // namespace metatape::kernels::emulation
