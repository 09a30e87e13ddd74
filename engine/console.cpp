#include "engine/console.h"

#include <cstdio>

namespace metatape {

void tell(std::string_view text) {
  [[maybe_unused]] const std::size_t written = std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace metatape
