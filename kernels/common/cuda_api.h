#pragma once

// The CUDA runtime of this build: NVIDIA's, or the one that runs kernels on the CPU.
#if defined(MT_EMULATION)
#include "kernels/emulation/runtime_api.h"
#else
#include <cuda_runtime.h>
#endif
