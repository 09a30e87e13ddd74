#pragma once

#include <source_location>

namespace metatape::kernels::emulation {

/// A line of a kernel, of its launch, or of a call of the runtime.
using Site = std::source_location;

}  // namespace metatape::kernels::emulation
