#pragma once

#include <memory>

#include "kernels/ranks/communicator.h"

namespace metatape::kernels {

/// Whether this build has MPI (CMake: MT_MPI).
bool built_with_mpi();

/// All processes of the launch, through MPI, which starts here and ends with the object: one in a
/// process. For host memory; one thread calls. Without MPI in the build: null.
std::unique_ptr<Communicator> make_mpi_communicator();

}  // namespace metatape::kernels
