#include "engine/io/text_file.h"

#include <algorithm>

#include "engine/error.h"

namespace metatape {
namespace {

constexpr std::size_t kLongestLine = 64 << 10;

}  // namespace

TextFile::TextFile(const std::filesystem::path& path, std::size_t most, std::string_view expected)
    : subject_(path.string()),
      file_(path),
      text_(reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size()) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text_.size() > most)
    fail(ErrorKind::io, subject_, "has {} bytes, {} has at most {}; check the path", text_.size(),
         expected, most);
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  rest_ = text_;
}

std::optional<std::string_view> TextFile::next_line() {
  if (rest_.empty()) return std::nullopt;
  std::string_view line = rest_.substr(0, rest_.find('\n'));
  rest_.remove_prefix(std::min(rest_.size(), line.size() + 1));
  if (line.ends_with('\r')) line.remove_suffix(1);
  ++line_number_;
  if (line.size() > kLongestLine)
    fail(ErrorKind::io, subject_, "line {} has {} bytes, at most {} are read; check the path",
         line_number_, line.size(), kLongestLine);
  return line;
}

}  // namespace metatape
