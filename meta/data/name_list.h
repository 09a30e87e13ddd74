#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>

namespace metatape {

/// "a, b, c and 12 more": the first five names of a list that may be long, for messages.
inline std::string name_list(std::span<const std::string> names) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (const std::string& name : names.first(std::min(kShown, names.size())))
    text += (text.empty() ? "" : ", ") + name;
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

}  // namespace metatape
