#pragma once

#include <cstddef>
#include <cstdint>

namespace metatape::kernels::emulation {

/// In which order the blocks of a grid and the ready threads of a block run. A correct kernel does
/// not depend on it; one that promises determinism gives the same bits in each.
enum class Order { ascending, descending, random };

struct Settings {
  Order order = Order::ascending;
  std::uint64_t seed = 0;  ///< of Order::random
  /// Work waits in its stream until something synchronises with it, and then only as much runs as
  /// that asks for. Shows missing synchronisation and memory that is given back too early.
  bool late = false;
  std::size_t device_bytes = std::size_t{4} << 30;  ///< cudaMalloc fails beyond, of all devices
  int devices = 1;  ///< what cudaGetDeviceCount says; each has streams of its own
};

/// For all later launches. Starts from the environment: MT_EMULATION_ORDER = ascending, descending
/// or a seed; MT_EMULATION_LATE = 1.
Settings& settings();

}  // namespace metatape::kernels::emulation
