#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "meta/algorithms.h"
#include "meta/recipe.h"
#include "tools/metatape/command.h"

namespace metatape {
namespace {

std::string published_text(const nlohmann::json& p) {
  if (p.is_null()) return "none: own baseline";
  const std::string interval =
      p.contains("ci95") ? fmt::format(" +- {}", p.value("ci95", 0.0)) : std::string();
  return fmt::format("{}{} % ({})", p.value("accuracy", 0.0), interval, p.value("source", ""));
}

}  // namespace

void recipes_command(const Output& output) {
  nlohmann::json all = nlohmann::json::array();
  std::string text;
  for (const std::string& name : recipe_names()) {
    const Recipe r = load_recipe(name);
    all.push_back({{"name", r.name},
                   {"about", r.about},
                   {"published", r.published},
                   {"settings", to_json(r.config)}});
    text +=
        fmt::format("{}\n  {}\n  published: {}\n", r.name, r.about, published_text(r.published));
  }
  output.result({{"recipes", all}}, text);
}

void algorithms_command(const Output& output) {
  nlohmann::json all = nlohmann::json::array();
  std::string text;
  for (const Algorithm& a : algorithms()) {
    all.push_back({{"name", a.name},
                   {"settings", a.settings},
                   {"equation", a.equation},
                   {"source", a.source}});
    text += fmt::format("{}\n  {}\n  {}\n  {}\n", a.name, a.equation, a.settings, a.source);
  }
  output.result({{"algorithms", all}}, text);
}

void settings_command(const Output& output) {
  nlohmann::json all = nlohmann::json::array();
  std::string text;
  for (const ConfigKey& k : config_keys()) {
    all.push_back({{"key", k.name}, {"meaning", k.meaning}, {"values", k.values}});
    text += fmt::format("{:<26} {} ({})\n", k.name, k.meaning, k.values);
  }
  output.result({{"settings", all}}, text);
}

}  // namespace metatape
