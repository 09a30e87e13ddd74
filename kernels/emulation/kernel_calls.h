#pragma once

// What the code of a kernel calls; kernel.h gives it CUDA's names.

#include <cstddef>
#include <cstdint>

#include "kernels/emulation/site.h"
#include "kernels/emulation/vector_types.h"

namespace metatape::kernels::emulation {

// Calls into another object file, so that no value survives a switch of threads in a register.
const uint3& thread_index();
const uint3& block_index();
const dim3& block_extents();
const dim3& grid_extents();

enum class Vote { none, count, all, any };

/// __syncthreads and its voting forms.
int block_barrier(Vote, bool predicate, Site);

enum class WarpOperation {
  synchronise,
  ballot,
  shuffle,
  shuffle_up,
  shuffle_down,
  shuffle_xor,
  multiply_matrices,
};

struct WarpArgument {
  std::uint64_t value;  ///< ballot: the predicate; multiply_matrices: address of the fragments
  int lane;             ///< source lane, distance or lane mask
  int width;
};

/// The bits of the source lane's value; all ones if that lane takes no part.
std::uint64_t warp_operation(WarpOperation, unsigned mask, WarpArgument, Site);

/// Lanes of the caller's warp that have not returned.
unsigned live_lanes();

/// The block's array of the declaration `key`; null is the dynamic one.
void* shared_array(const void* key, const char* name, std::size_t size, std::size_t alignment,
                   Site);

}  // namespace metatape::kernels::emulation
