#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/text_file.h"

namespace metatape {

/// Lines of comma-separated fields, as far as split files need it (RFC 4180 within one line: fields
/// may be quoted, "" is a quote). Empty lines are left out; CR LF and a byte-order mark are
/// accepted. A line is read when it is asked for: all fields of a list of 64 MB took 2.4 GB.
class CsvReader {
 public:
  /// Errors: io, for a file over 64 MiB or with a NUL byte.
  explicit CsvReader(const std::filesystem::path&);

  /// Reads the next line into `fields`; false after the last. Errors: io, with the line number, for
  /// an open quote or more than 64 KiB.
  bool next(std::vector<std::string>& fields);
  std::size_t line_number() const { return file_.line_number(); }

 private:
  std::string subject_;
  TextFile file_;
};

}  // namespace metatape
