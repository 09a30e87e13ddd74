#include "meta/data/csv.h"

#include <string_view>

#include "engine/error.h"

namespace metatape {

namespace {

constexpr std::size_t kLargestFile = std::size_t{64} << 20;

}  // namespace

CsvReader::CsvReader(const std::filesystem::path& path)
    : subject_(path.string()), file_(path, kLargestFile, "a list of classes") {
  if (file_.text().find('\0') != std::string_view::npos)
    fail(ErrorKind::io, subject_, "holds a NUL byte, so it is no text file");
}

bool CsvReader::next(std::vector<std::string>& fields) {
  std::optional<std::string_view> line = file_.next_line();
  while (line && line->empty()) line = file_.next_line();
  if (!line) return false;
  fields.assign(1, "");
  bool quoted = false;
  for (std::size_t i = 0; i < line->size(); ++i) {
    const char c = (*line)[i];
    const bool doubled = quoted && line->substr(i, 2) == "\"\"";
    if (doubled) {
      fields.back() += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (quoted)
    fail(ErrorKind::io, subject_, "line {} has a quote that is not closed", line_number());
  return true;
}

}  // namespace metatape
