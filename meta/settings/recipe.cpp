#include "meta/settings/recipe.h"

#include <algorithm>
#include <filesystem>

#include "engine/error.h"
#include "engine/io/paths.h"
#include "engine/io/strict_json.h"
#include "engine/io/text_file.h"
#include "meta/recipes/embedded.h"
#include "meta/settings/nearest_name.h"

namespace metatape {
namespace {

constexpr int kLongestChain = 4;  // of "extends"; more is a circle
constexpr std::size_t kLargestFile = 1 << 20;

std::string text_of(const std::string& name_or_file) {
  for (const EmbeddedRecipe& r : embedded_recipes())
    if (r.name == name_or_file) return std::string(r.json);
  if (!is_file(name_or_file)) {
    const std::vector<std::string> names = recipe_names();
    fail(ErrorKind::usage, name_or_file,
         "there is no such recipe or file; did you mean {}? (metatape recipes lists all)",
         nearest_name(name_or_file, names));
  }
  return std::string(TextFile(name_or_file, kLargestFile, "a recipe").text());
}

Recipe load(const std::string& name_or_file, int depth) {
  if (depth > kLongestChain)
    fail(ErrorKind::io, name_or_file, "more than {} recipes extend each other: is it a circle?",
         kLongestChain);
  const nlohmann::json j = parse_strict_json(text_of(name_or_file), name_or_file);
  if (!j.is_object())
    fail(ErrorKind::io, name_or_file, "a recipe is a JSON object with \"settings\"");
  Recipe recipe;
  if (j.contains("extends")) recipe = load(json_string(j, "extends", 256, name_or_file), depth + 1);
  for (const auto& [key, value] : j.items())
    if (key != "extends" && key != "about" && key != "published" && key != "settings")
      fail(ErrorKind::io, name_or_file,
           "unknown entry \"{}\"; a recipe has extends, about, published, settings", key);
  recipe.name = std::filesystem::path(name_or_file).stem().string();
  if (j.contains("about")) recipe.about = json_string(j, "about", 1000, name_or_file);
  recipe.published = j.value("published", nlohmann::json());
  if (j.contains("settings")) apply_json(recipe.config, j["settings"], name_or_file);
  return recipe;
}

}  // namespace

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const EmbeddedRecipe& r : embedded_recipes()) names.emplace_back(r.name);
  std::sort(names.begin(), names.end());
  return names;
}

Recipe load_recipe(const std::string& name_or_file) { return load(name_or_file, 0); }

}  // namespace metatape
