#pragma once

#include <span>
#include <string>

namespace metatape {

/// The candidate with the smallest edit distance (Levenshtein 1966) to what was typed; the first of
/// equals. Empty if there are no candidates.
std::string nearest_name(const std::string& typed, std::span<const std::string> candidates);

}  // namespace metatape
