#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "engine/io/mapped_file.h"

namespace metatape {

/// A text that somebody else may have made, read where it lies. A byte-order mark is left out.
class TextFile {
 public:
  /// Errors: io, if the file cannot be read, is no regular file, or has more than `most` bytes;
  /// the message says what was expected: "a recipe".
  TextFile(const std::filesystem::path&, std::size_t most, std::string_view expected);

  std::string_view text() const { return text_; }

  /// The next line without its end, which is LF or CR LF; nothing after the last. Errors: io, for a
  /// line over 64 KiB, with its number.
  std::optional<std::string_view> next_line();
  /// The number of that line, from 1.
  std::size_t line_number() const { return line_number_; }

 private:
  std::string subject_;
  MappedFile file_;
  std::string_view text_, rest_;
  std::size_t line_number_ = 0;
};

}  // namespace metatape
