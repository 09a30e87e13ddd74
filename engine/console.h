#pragma once

#include <string_view>

namespace metatape {

/// Writes to standard error, where people read. What cannot be written there, because the disk
/// behind `2> log` is full or the terminal is gone, is lost: a run of hours does not end for it.
void tell(std::string_view text);

}  // namespace metatape
