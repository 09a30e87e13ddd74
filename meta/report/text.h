#pragma once

#include <string>
#include <string_view>

namespace metatape {

/// For the content of an element or of a quoted attribute.
std::string html_text(std::string_view text);

/// A gnuplot string: in single quotes nothing is expanded, and '' stands for one.
std::string gnuplot_string(std::string_view text);

}  // namespace metatape
