#pragma once

// The kinds of settings: an integer, a number, a switch, a choice.

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/io/strict_json.h"
#include "meta/settings/config.h"

namespace metatape {

/// One setting: its key, what it means, what it may be, and how it is read and written.
struct Field {
  std::string name, meaning, values;
  std::function<nlohmann::json(const Config&)> get;
  std::function<void(Config&, const nlohmann::json&)> set;
};

[[noreturn]] inline void refuse(const Field& f, const nlohmann::json& found) {
  fail(ErrorKind::usage, f.name, "{} is not possible; expected {} ({})", json_text(found), f.values,
       f.meaning);
}

/// A setting is written as JSON, which is UTF-8; the command line may hold any bytes.
inline bool is_utf8(const nlohmann::json& text) {
  constexpr auto kIgnore = nlohmann::json::error_handler_t::ignore;
  return text.dump(-1, ' ', false, kIgnore) == json_text(text);
}

/// JSON keeps numbers above 2^63 - 1 as unsigned: they are integers, and too large.
inline bool is_integer_in(const nlohmann::json& value, std::int64_t low, std::int64_t high) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t(high)) return false;
  return value.is_number_integer() && value.get<std::int64_t>() >= low &&
         value.get<std::int64_t>() <= high;
}

/// `at` finds the member in a Config: it is called for reading and for writing.
template <class At>
Field integer(const char* name, const char* meaning, std::int64_t low, std::int64_t high, At at) {
  const bool open = high == std::numeric_limits<std::int64_t>::max();
  Field f{name,
          meaning,
          open ? fmt::format("an integer >= {}", low) : fmt::format("an integer {}..{}", low, high),
          [at](const Config& c) { return nlohmann::json(at(const_cast<Config&>(c))); },
          {}};
  f.set = [f, at, low, high](Config& c, const nlohmann::json& value) {
    if (!is_integer_in(value, low, high)) refuse(f, value);
    at(c) = value.get<std::int64_t>();
  };
  return f;
}

template <class At>
Field number(const char* name, const char* meaning, double low, At at) {
  Field f{name,
          meaning,
          fmt::format("a number >= {}", low),
          [at](const Config& c) { return nlohmann::json(at(const_cast<Config&>(c))); },
          {}};
  f.set = [f, at, low](Config& c, const nlohmann::json& value) {
    if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < low)
      refuse(f, value);
    at(c) = value.get<double>();
  };
  return f;
}

template <class At>
Field boolean(const char* name, const char* meaning, At at) {
  Field f{name,
          meaning,
          "true or false",
          [at](const Config& c) { return nlohmann::json(at(const_cast<Config&>(c))); },
          {}};
  f.set = [f, at](Config& c, const nlohmann::json& value) {
    if (!value.is_boolean()) refuse(f, value);
    at(c) = value.get<bool>();
  };
  return f;
}

template <class At>
Field choice(const char* name, const char* meaning, std::vector<std::string> choices, At at) {
  Field f{name,
          meaning,
          choices.empty() ? std::string("a name in UTF-8")
                          : fmt::format("one of {}", fmt::join(choices, ", ")),
          [at](const Config& c) { return nlohmann::json(at(const_cast<Config&>(c))); },
          {}};
  f.set = [f, at, choices](Config& c, const nlohmann::json& value) {
    if (!value.is_string() || !is_utf8(value) ||
        (!choices.empty() && std::ranges::find(choices, value.get<std::string>()) == choices.end()))
      refuse(f, value);
    at(c) = value.get<std::string>();
  };
  return f;
}

}  // namespace metatape
