#pragma once

#include <filesystem>
#include <string>

#include "meta/report/report.h"

namespace metatape {

/// The report as one HTML page that needs no other file: the pictures are inside. They are read
/// from `plots`, <name>.svg; an empty path leaves them out.
std::string page_of(const Report&, const std::filesystem::path& plots);

/// One line per row of the accuracy table, for a terminal.
std::string text_of(const Report&);

}  // namespace metatape
