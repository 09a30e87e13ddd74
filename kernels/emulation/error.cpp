#include "kernels/emulation/error.h"

namespace metatape::kernels::emulation {

std::string text_of(Site site) {
  return std::string(site.file_name()) + ":" + std::to_string(site.line());
}

std::string text_of(uint3 index) {
  return "(" + std::to_string(index.x) + ", " + std::to_string(index.y) + ", " +
         std::to_string(index.z) + ")";
}

std::string text_of(dim3 extents) { return text_of(uint3{extents.x, extents.y, extents.z}); }

void refuse(const std::string& subject, Site site, const std::string& found) {
  throw EmulationError("[" + subject + "] " + text_of(site) + ": " + found);
}

}  // namespace metatape::kernels::emulation
