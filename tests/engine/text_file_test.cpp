#include "engine/io/text_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

std::vector<std::string> lines_of(const std::string& content) {
  const TemporaryFolder folder;
  write_text(folder / "text", content);
  TextFile file(folder / "text", content.size(), "a text");
  std::vector<std::string> lines;
  while (const auto line = file.next_line()) {
    lines.emplace_back(*line);
    EXPECT_EQ(file.line_number(), lines.size());
  }
  EXPECT_FALSE(file.next_line());
  return lines;
}

using Lines = std::vector<std::string>;

TEST(TextFile, IsReadLineByLine) {
  EXPECT_EQ(lines_of("a\nbc\n"), (Lines{"a", "bc"}));
  EXPECT_EQ(lines_of("a\r\n\r\nb"), (Lines{"a", "", "b"})) << "ends of Windows, none at the end";
  EXPECT_EQ(lines_of("\xef\xbb\xbfid\n"), (Lines{"id"})) << "a byte-order mark";
  EXPECT_EQ(lines_of(""), Lines{});
}

TEST(TextFile, HasLinesOf64KiB) {
  const std::string longest(64 << 10, 'x');
  EXPECT_EQ(lines_of(longest + "\r\n").size(), 1u);
  expect_error(ErrorKind::io, "text] line 2 has 65537 bytes, at most 65536 are read",
               [&] { lines_of("\n" + longest + "x"); });
}

TEST(TextFile, SaysHowLargeItMayBe) {
  const TemporaryFolder folder;
  write_text(folder / "text", "12345");
  EXPECT_EQ(TextFile(folder / "text", 5, "a recipe").text(), "12345");
  expect_error(ErrorKind::io, "text] has 5 bytes, a recipe has at most 4; check the path",
               [&] { TextFile(folder / "text", 4, "a recipe"); });
}

}  // namespace
}  // namespace metatape
