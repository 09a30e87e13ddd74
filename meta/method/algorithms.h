#pragma once

#include <span>

namespace metatape {

/// A method under its published name: which settings make it, where it is defined, and where its
/// source leaves something open, how that is read here.
struct Algorithm {
  const char *name, *settings, *equation, *source, *reading = "";
};
std::span<const Algorithm> algorithms();

}  // namespace metatape
