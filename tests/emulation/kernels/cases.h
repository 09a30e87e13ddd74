#pragma once

// Small kernels that between them use what the project's kernels use. Each is compiled once as it
// should be (MT_BUG = 0) and once for each bug planted in it.

#include "kernels/common/cuda_api.h"

#if !defined(MT_BUG)
#define MT_BUG 0
#endif

namespace metatape::emulation_cases {

struct Operands {  // device pointers; what they hold is said in each .cu
  const float* a;
  const float* b;
  float* out;
  int rows, columns, depth;
};

using Launcher = void (*)(const Operands&);

struct Variant {
  const char* kernel;
  int bug;
  Launcher launch;
};

/// An object of this type in each .cu makes its variant known to the program it is linked into.
struct Registration {
  Registration(const char* kernel, int bug, Launcher launch);
};

}  // namespace metatape::emulation_cases
