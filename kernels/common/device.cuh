#pragma once

// The few things that a kernel writes differently here than in plain CUDA, so that g++ can compile
// and check it too (kernels/emulation/README.md).

#include "kernels/common/cuda_api.h"

#if defined(MT_EMULATION)

#include "kernels/emulation/kernel.h"

#else

/// MT_SHARED(float, tile, [16][17]); a shared array, MT_SHARED(int, count); a shared scalar.
#define MT_SHARED(type, name, ...) __shared__ type name __VA_ARGS__

/// MT_DYNAMIC_SHARED(float, row); float* row at the start of the launch's dynamic shared memory.
#define MT_DYNAMIC_SHARED(type, name)                                \
  extern __shared__ __align__(16) unsigned char mt_dynamic_shared[]; \
  type* const name = reinterpret_cast<type*>(mt_dynamic_shared)

/// Before a loop of a constant count.
#define MT_UNROLL _Pragma("unroll")

#endif
