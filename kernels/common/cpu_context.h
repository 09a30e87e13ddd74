#pragma once

namespace metatape::kernels {

class Communicator;  // kernels/ranks/communicator.h

/// What a CPU kernel may know of its surroundings. Results never depend on `threads`: work is cut
/// into pieces by shape alone, and every reduction adds its pieces in one fixed order.
struct CpuContext {
  int threads = 1;  ///< OpenMP threads a kernel may start. BLAS stays single-threaded inside.
  /// Whether f32 convolutions may use Winograd's algorithm, which rounds more than the direct one
  /// (kernels/conv2d/NOTES.md). The same for asking for a workspace and for running in it.
  bool winograd = true;
  Communicator* communicator = nullptr;  ///< may be null where the program has one rank
};

/// Below this many elements a parallel region costs more than it saves (about 5 us to start one).
inline constexpr long long kParallelElements = 32768;

}  // namespace metatape::kernels
