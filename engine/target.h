#pragma once

// Where a program runs. Memory and results are planned for a target, so it is chosen at compile().

#include <cstddef>

#include "kernels/common/precision.h"
#include "kernels/ranks/communicator.h"

namespace metatape {

enum class Device { cpu, cuda };

/// "cpu" or "cuda".
const char* device_name(Device);

struct Target {
  Device device = Device::cpu;
  int threads = 1;  ///< CPU: sizes per-thread workspace; results do not depend on it
  kernels::Precision precision = kernels::Precision::fp32;  ///< CUDA: of matrix products
  bool winograd = true;  ///< CPU: 3x3 convolutions in f32 by fewer products, where that is faster
  int ranks = 1;         ///< processes that run the program together
  kernels::Communicator* communicator = nullptr;  ///< of `ranks` ranks, for the device's memory
};

/// Whether this build can run programs for a GPU, and whether the machine has one that it can use.
bool built_with_cuda();
bool cuda_device_present();

/// Of the GPUs of this machine the one that this process uses: `index`, counted round again where
/// there are fewer. Nothing on the CPU. Errors: device, if there is none.
void use_device(Device, int index);

/// Bytes that the device can still give.
std::size_t free_memory(Device);

/// Errors: usage, if the build has no CUDA; device, if the machine has no GPU for it.
void require_device(Device);

}  // namespace metatape
