#pragma once

#include <memory>

#include "kernels/ranks/communicator.h"

namespace metatape::kernels {

// In builds with CUDA or its emulation.

/// Whether this build has NCCL, or its emulation (CMake: MT_NCCL).
bool built_with_nccl();

/// The same ranks as `host`, through NCCL: for the memory of the GPU that is current in each
/// process, one for each rank. `host` carries NCCL's identifier to all ranks now, and must outlive
/// the object: abort() is its. Ask failure() when it is made, after enqueueing, and while waiting
/// for the stream: asking ends what waits for a rank that is lost, and would wait for ever. Without
/// NCCL in the build: null.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host);

}  // namespace metatape::kernels
