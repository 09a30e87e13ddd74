#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace metatape {

/// Text that any reader takes: control characters, which a terminal obeys, and bytes that are not
/// UTF-8 become '?'.
std::string printable(std::string_view text);

/// The same of a text of several lines: line ends and tabs stay.
std::string printable_lines(std::string_view text);

/// At most `most` bytes of a text that somebody else may have made: of a longer one the beginning,
/// "...", and the last quarter, cut between characters.
std::string shortened(std::string_view text, std::size_t most);

}  // namespace metatape
