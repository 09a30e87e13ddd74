#pragma once

#include <utility>

#include "engine/error.h"

namespace metatape {

/// Refuses settings that make no sense together, naming the one to change.
template <class... Args>
void refuse_if(bool nonsense, const char* key, fmt::format_string<Args...> text, Args&&... args) {
  if (nonsense) fail(ErrorKind::usage, key, text, std::forward<Args>(args)...);
}

}  // namespace metatape
