#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "meta/settings/config.h"

namespace metatape {

/// A named set of settings, with the published number that it reproduces.
struct Recipe {
  std::string name, about;
  nlohmann::json published;  ///< {"accuracy", "ci95", "source"}, or null: own baseline
  Config config;
};

/// Names of the recipes in the binary (meta/recipes/*.json), sorted.
std::vector<std::string> recipe_names();

/// A recipe of the binary, or a JSON file of the same form: {"extends": NAME, "about": TEXT,
/// "published": {...}, "settings": {...}}. Errors: usage, answering an unknown name with the
/// nearest; io, naming what is wrong in a file.
Recipe load_recipe(const std::string& name_or_file);

}  // namespace metatape
