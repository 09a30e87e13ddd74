#include "meta/data/csv.h"

#include <algorithm>
#include <string_view>

#include "engine/error.h"
#include "engine/io/mapped_file.h"

namespace metatape {

namespace {

constexpr std::size_t kLargestFile = std::size_t{64} << 20;

std::vector<std::string> split_line(std::string_view line, const std::string& subject,
                                    std::size_t number) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool doubled = quoted && line.substr(i, 2) == "\"\"";
    if (doubled) {
      fields.back() += '"';
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  if (quoted) fail(ErrorKind::io, subject, "line {} has a quote that is not closed", number);
  return fields;
}

}  // namespace

std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& path) {
  const std::string subject = path.string();
  const MappedFile file(path);
  if (file.bytes().size() > kLargestFile)
    fail(ErrorKind::io, subject, "has {} bytes, a list of classes has at most {}",
         file.bytes().size(), kLargestFile);
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.find('\0') != text.npos)
    fail(ErrorKind::io, subject, "holds a NUL byte, so it is no text file");
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);

  std::vector<std::vector<std::string>> rows;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) rows.push_back(split_line(line, subject, number));
  }
  return rows;
}

}  // namespace metatape
