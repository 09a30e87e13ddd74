#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/graph.h"

namespace metatape {

/// What a node reads from memory, and whether it exists at all.
struct Reading {
  bool stored = true;
  std::span<const int> operands;
};

/// Most bytes alive at once if the nodes read what `readings` says, with reuse in place where an
/// elementwise node reads a value of its type for the last time. Shares no code with the planner.
std::size_t peak_bytes(const Graph&, std::span<const Reading> readings);

}  // namespace metatape
