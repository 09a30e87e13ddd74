#pragma once

// Registers of neighbouring channels, one in each lane.

namespace metatape::kernels {

/// 32 bytes, a register of AVX2.
using Lanes = float __attribute__((vector_size(32)));
/// The same in memory, aligned as floats are. No alias: clang 16 drops the alignment there.
typedef float LooseLanes __attribute__((vector_size(32), aligned(4), may_alias));
static_assert(alignof(LooseLanes) == alignof(float));
inline constexpr int kLanes = sizeof(Lanes) / sizeof(float);

}  // namespace metatape::kernels
