#pragma once

#include <string>

#include "engine/program.h"
#include "engine/tape.h"

namespace metatape {

/// One instruction as text: `%12 = conv2d(%3, %7) stride=2, pad=1 : f32 32x[5,14,14,64]  # inner/0`
std::string describe_instruction(const Tape&, int id);

/// A tape as text, one instruction a line.
std::string dump(const Tape&);

/// A compiled program as text: the instructions that run, with the arena offset of each result.
std::string dump(const Program&);

}  // namespace metatape
