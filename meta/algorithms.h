#pragma once

#include <span>

namespace metatape {

/// A method under its published name: which settings make it, and where it is defined.
struct Algorithm {
  const char *name, *settings, *equation, *source;
};
std::span<const Algorithm> algorithms();

}  // namespace metatape
