#pragma once

#include <span>
#include <vector>

#include "engine/tape.h"

namespace metatape {

/// Values as one array, so that one exchange moves them all: each flat, T x [n] together. Shared
/// values are repeated for each task where others have several.
Var joined(std::span<const Var> values);

/// The parts of such an array in the shapes of `like`, with the array's tasks.
std::vector<Var> taken_apart(Var array, std::span<const Var> like);

}  // namespace metatape
