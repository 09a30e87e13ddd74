#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "engine/params.h"
#include "engine/tensor.h"

namespace metatape {

/// All that outlives a run: the states, and text about them (configuration, position, format).
struct Checkpoint {
  StateStore state;
  std::map<std::string, std::string> metadata;
};

/// Writes a safetensors file that PyTorch reads as it is: `theta/conv1.weight` [K,C,R,S] and so on.
/// The file is replaced at once or not at all.
void save_checkpoint(const std::filesystem::path&, const Checkpoint&, std::span<const Parameter>);

/// Reads it back, bit for bit. Errors: io, if the file is broken, or lacks a parameter of this
/// model, or holds it in another shape (a checkpoint of another model), naming the parameter and
/// both.
Checkpoint load_checkpoint(const std::filesystem::path&, std::span<const Parameter>);

}  // namespace metatape
