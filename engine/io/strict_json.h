#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace metatape {

inline constexpr std::size_t kLongestJsonKey = 1024;  // bytes

/// JSON from a file that somebody else made. Beyond the grammar it refuses what nlohmann/json lets
/// pass: duplicate keys, keys over 1024 bytes, nesting deeper than 8, more than 2 million values,
/// NUL bytes, text after the value. Errors: io, with `subject` (the file) and the position.
nlohmann::json parse_strict_json(std::string_view text, const std::string& subject);

/// The text of a value, on lines of their own with `indent` >= 0. Bytes that are not UTF-8, as the
/// names of files may have, become U+FFFD.
std::string json_text(const nlohmann::json& value, int indent = -1);

/// object[key] as an integer in [low, high]. Refuses a missing key, floats, negative wrap-around.
std::int64_t json_integer(const nlohmann::json& object, const char* key, std::int64_t low,
                          std::int64_t high, const std::string& subject);

/// object[key] as a string of at most `longest` bytes.
std::string json_string(const nlohmann::json& object, const char* key, std::size_t longest,
                        const std::string& subject);

}  // namespace metatape
