#pragma once

#include <span>
#include <string_view>

namespace metatape {

struct EmbeddedRecipe {
  std::string_view name;  ///< file name without .json
  std::string_view json;
};

/// meta/recipes/*.json as they were at build time, sorted by name. The build generates the
/// definition.
std::span<const EmbeddedRecipe> embedded_recipes();

}  // namespace metatape
