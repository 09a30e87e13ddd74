#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace metatape {

/// Lines of comma-separated fields, as far as split files need it (RFC 4180 within one line: fields
/// may be quoted, "" is a quote). Empty lines are left out; CR LF and a byte-order mark are
/// accepted. Errors: io, for a file over 64 MiB, a NUL byte or an open quote, with the line number.
std::vector<std::vector<std::string>> read_csv(const std::filesystem::path&);

}  // namespace metatape
