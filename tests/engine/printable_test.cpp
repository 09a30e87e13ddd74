#include "engine/printable.h"

#include <gtest/gtest.h>

#include "engine/error.h"

namespace metatape {
namespace {

TEST(Printable, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(printable("gr\xc3\xbcn"), "gr\xc3\xbcn");
  EXPECT_EQ(printable("a\xff\xc3"), "a??");
  EXPECT_EQ(printable("\xc0\xaf"), "??") << "longer than need be";
  EXPECT_EQ(printable("\xed\xa0\x80"), "???") << "a surrogate";
}

TEST(Printable, ControlCharactersAreReplaced) {
  EXPECT_EQ(printable("\x1b[31mred\x7f"), "?[31mred?");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m\xc2\xa0"),
            "?31m\xc2\xa0")
      << "the control characters of Latin-1";
  EXPECT_EQ(printable("a\tb\nc\r"), "a?b?c?");
  EXPECT_EQ(printable_lines("a\tb\nc\r\x1b"), "a\tb\nc??");
}

TEST(Shortened, KeepsBeginningAndEnd) {
  EXPECT_EQ(shortened("twelve bytes", 12), "twelve bytes");
  EXPECT_EQ(shortened("twelve bytes", 11), "twelve...es");
  EXPECT_EQ(shortened("", 0), "");
  EXPECT_EQ(shortened("abc", 2), "ab");
}

TEST(Shortened, CutsBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "\xe2\x82\xac";
  for (std::size_t most = 3; most < text.size(); ++most) {
    const std::string cut = shortened(text, most);
    EXPECT_LE(cut.size(), most);
    EXPECT_EQ(printable(cut), cut) << most;
  }
}

TEST(Shortened, MessagesHaveFourThousandBytes) {
  const std::string name(1'000'000, 'n');
  const Error error(ErrorKind::io, name, "is " + name + "; the remedy");
  const std::string message = error.what();
  EXPECT_EQ(message.size(), 4000u);
  EXPECT_TRUE(message.starts_with("[nnn"));
  EXPECT_TRUE(message.ends_with("nnn; the remedy"));
}

}  // namespace
}  // namespace metatape
