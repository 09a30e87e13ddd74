#pragma once

#include <stdexcept>
#include <string>

#include "kernels/emulation/site.h"
#include "kernels/emulation/vector_types.h"

namespace metatape::kernels::emulation {

/// Something that a GPU would have got wrong, often silently. what() names the kernel, the block
/// and thread where there is one, the source line, what was found and what was expected. Thrown on
/// the host only, by the call that ran the kernel: the launch or, in late mode, the
/// synchronisation.
class EmulationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// "file:line"
std::string text_of(Site);
/// "(x, y, z)"
std::string text_of(uint3);
std::string text_of(dim3);

/// Throws an EmulationError about a launch or a call of the runtime.
[[noreturn]] void refuse(const std::string& subject, Site, const std::string& found);

}  // namespace metatape::kernels::emulation
