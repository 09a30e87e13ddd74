#pragma once

// The only file with <<<>>>, which g++ cannot read.

#include "kernels/common/device.cuh"

/// MT_LAUNCH(kernel, grid, block, shared_bytes, stream)(arguments...);
/// An instance of a template goes into brackets: MT_LAUNCH((kernel<float, 4>), ...). The caller
/// checks cudaPeekAtLastError().
#if defined(MT_EMULATION)
#include "kernels/emulation/launch.h"
#define MT_LAUNCH(kernel, grid, block, shared_bytes, stream) \
  ::metatape::kernels::emulation::Launch(#kernel, kernel, grid, block, shared_bytes, stream)
#else
#define MT_LAUNCH(kernel, grid, block, shared_bytes, stream) \
  kernel<<<grid, block, shared_bytes, stream>>>
#endif
