#include "meta/settings/config.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "meta/settings/config_schema.h"
#include "meta/settings/nearest_name.h"

namespace metatape {
namespace {

using nlohmann::json;

const Field& field(const std::string& key) {
  for (const Field& f : config_schema())
    if (f.name == key) return f;
  std::vector<std::string> names;
  for (const Field& f : config_schema()) names.push_back(f.name);
  fail(ErrorKind::usage, key,
       "there is no such setting; did you mean {}? (metatape settings lists all)",
       nearest_name(key, names));
}

void apply_nested(Config& config, const json& value, const std::string& prefix) {
  for (const auto& [name, inner] : value.items()) {
    const std::string key = prefix.empty() ? name : prefix + "." + name;
    if (inner.is_object())
      apply_nested(config, inner, key);
    else
      set_config(config, key, inner);
  }
}

}  // namespace

std::vector<ConfigKey> config_keys() {
  std::vector<ConfigKey> keys;
  for (const Field& f : config_schema()) keys.push_back({f.name, f.meaning, f.values});
  return keys;
}

void set_config(Config& config, const std::string& key, const json& value) {
  field(key).set(config, value);
}

json get_config(const Config& config, const std::string& key) { return field(key).get(config); }

void set_config(Config& config, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0)
    fail(ErrorKind::usage, std::string(assignment), "expected key=value, for example inner.lr=0.4");
  const std::string key(assignment.substr(0, equals)), text(assignment.substr(equals + 1));
  const Field& f = field(key);
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded() || f.get(config).is_string()) value = text;
  f.set(config, value);
}

json to_json(const Config& config) {
  json nested = json::object();
  for (const Field& f : config_schema()) {
    json::json_pointer place;
    std::size_t start = 0;
    for (std::size_t dot; (dot = f.name.find('.', start)) != std::string::npos; start = dot + 1)
      place /= f.name.substr(start, dot - start);
    nested[place / f.name.substr(start)] = f.get(config);
  }
  return nested;
}

void apply_json(Config& config, const json& nested, const std::string& subject) {
  if (!nested.is_object())
    fail(ErrorKind::io, subject,
         "settings are {}, expected an object such as {{\"inner\": "
         "{{\"lr\": 0.4}}}}",
         nested.type_name());
  try {
    apply_nested(config, nested, "");
  } catch (const Error& e) {  // the settings are those of a file: it is the file that is wrong
    fail(ErrorKind::io, subject, "{}", e.what());
  }
}

}  // namespace metatape
