#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "meta/data/pack_writer.h"

namespace metatape {

struct OmniglotImport {
  /// images_background.zip and images_evaluation.zip in any order, or unpacked folders.
  std::vector<std::filesystem::path> inputs;
  /// Folder with train.txt, val.txt, test.txt of Vinyals et al. 2016; adds the split "vinyals".
  std::optional<std::filesystem::path> vinyals = {};
  std::int64_t size = 28;  ///< side of the packed images; the drawings have 105
};

/// Packs all of Omniglot (Lake, Salakhutdinov, Tenenbaum 2015): 1,623 characters with 20 drawings
/// each, area-averaged to size x size, ink = 255. Classes are "Alphabet/character", sorted by name,
/// drawings by drawer. Split "maml": 1100 / 100 / 423 at random, as in the code of Finn et al.
/// 2017. Errors: io, naming the characters or drawings that are missing or too many.
PackReport pack_omniglot(const OmniglotImport&, const std::filesystem::path& output);

}  // namespace metatape
