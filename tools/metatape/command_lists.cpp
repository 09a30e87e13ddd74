#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "meta/method/algorithms.h"
#include "meta/method/part.h"
#include "meta/settings/recipe.h"
#include "tools/metatape/command.h"

namespace metatape {
namespace {

std::string published_text(const nlohmann::json& p) {
  if (p.is_null()) return "none: own baseline";
  const std::string interval =
      p.contains("ci95") ? fmt::format(" +- {}", p.value("ci95", 0.0)) : std::string();
  return fmt::format("{}{} % ({})", p.value("accuracy", 0.0), interval, p.value("source", ""));
}

/// Entries of `metatape algorithms`, for people and for programs.
struct Listing {
  std::string text;
  nlohmann::json json = nlohmann::json::array();

  void add(const std::string& name, const std::string& settings, const std::string& equation,
           const std::string& source, const std::string& reading) {
    text += fmt::format("{}\n  {}\n  {}\n  {}\n", name, equation, settings, source);
    if (!reading.empty()) text += fmt::format("  a reading: {}\n", reading);
    json.push_back({{"name", name},
                    {"settings", settings},
                    {"equation", equation},
                    {"source", source},
                    {"status", reading.empty() ? "as in the source" : "a reading"},
                    {"reading", reading}});
  }
};

template <class Kind>
void list_parts(Listing& listing) {
  const bool by_coefficient = std::is_same_v<Kind, Regularizer>;
  for (const Part<Kind>* part : parts<Kind>())
    listing.add(part->name,
                fmt::format(by_coefficient ? "{}.{} > 0" : "{}={}", kSettingOf<Kind>, part->name),
                part->formula, part->source, part->reading);
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
  Listing methods, parts;
  for (const Algorithm& a : algorithms())
    methods.add(a.name, a.settings, a.equation, a.source, a.reading);
  list_parts<Adaptation>(parts);
  list_parts<QueryLoss>(parts);
  list_parts<Regularizer>(parts);
  list_parts<MetaGradient>(parts);
  list_parts<Combination>(parts);
  output.result({{"algorithms", methods.json}, {"parts", parts.json}},
                fmt::format("Methods under their published names\n\n{}\nParts that any method may "
                            "be made of\n\n{}",
                            methods.text, parts.text));
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
