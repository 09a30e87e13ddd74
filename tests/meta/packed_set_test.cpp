#include "meta/data/packed_set.h"

#include <gtest/gtest.h>

#include <cstring>

#include "engine/io/sha256.h"
#include "meta/data/pack_writer.h"
#include "meta/data/packed_preamble.h"
#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"

namespace metatape {
namespace {

constexpr std::size_t kVersionAt = 8, kZeroAt = 12, kHeaderLengthAt = 16, kFileLengthAt = 24;

PackedHeader small_header() {
  return {.kind = "small",
          .height = 3,
          .width = 5,
          .channels = 1,
          .scale = "value = byte / 255",
          .classes = {{"alpha", 0, 2}, {"beta", 2, 1}, {"gamma", 3, 3}},
          .splits = {{"first", {2}, {0}, {1}}, {"second", {0, 1}, {}, {2}}},
          .sources = {{"small.zip", std::string(64, 'a')}}};
}

std::vector<std::uint8_t> small_image(int index) {
  std::vector<std::uint8_t> image(15);
  for (std::size_t p = 0; p < image.size(); ++p) image[p] = std::uint8_t(40 * index + int(p));
  return image;
}

/// A packed set of six images, as a file and as its bytes.
class SmallFile {
 public:
  SmallFile() {
    PackWriter writer(path(), small_header());
    for (int i = 0; i < 6; ++i) writer.add(small_image(i));
    report = writer.commit();
    bytes = read_text(path());
  }

  std::filesystem::path path() const { return folder_ / "small.mtd"; }

  PackedSet open(const std::string& content) const {
    write_text(folder_ / "changed.mtd", content);
    return PackedSet::open(folder_ / "changed.mtd");
  }

  /// The file around another JSON header, with lengths and checksums that fit it.
  std::string with_header(const std::string& json) const {
    const std::size_t payload = bytes.size() - 6 * 15;
    PackedPreamble preamble;
    preamble.header_length = json.size();
    preamble.header_sha256 = Sha256().update(json).hex();
    preamble.file_length = preamble.payload_offset() + 6 * 15;
    const auto head = encode_preamble(preamble);
    std::string file(reinterpret_cast<const char*>(head.data()), head.size());
    file += json;
    file.resize(preamble.payload_offset(), '\0');
    return file + bytes.substr(payload);
  }

  std::string json() const {
    std::uint64_t length = 0;
    std::memcpy(&length, &bytes[kHeaderLengthAt], 8);
    return bytes.substr(kPreambleBytes, length);
  }

  /// The header with one piece of text replaced.
  std::string with_edit(const std::string& found, const std::string& replacement) const {
    std::string text = json();
    const std::size_t at = text.find(found);
    EXPECT_NE(at, text.npos) << found << " is not in " << text;
    return with_header(text.replace(at, found.size(), replacement));
  }

  void expect_refused(const std::string& content, const std::string& fragment) const {
    expect_error(ErrorKind::io, fragment, [&] { open(content); });
  }

  PackReport report;
  std::string bytes;

 private:
  TemporaryFolder folder_;
};

TEST(PackedSet, GivesBackWhatWasWritten) {
  const SmallFile file;
  const PackedSet set = PackedSet::open(file.path());
  EXPECT_EQ(set.height(), 3);
  EXPECT_EQ(set.width(), 5);
  EXPECT_EQ(set.channels(), 1);
  ASSERT_EQ(set.class_count(), 3);
  EXPECT_EQ(set.class_name(2), "gamma");
  EXPECT_EQ(set.class_images(2), 3);
  EXPECT_TRUE(std::ranges::equal(set.image(0, 1), small_image(1)));
  EXPECT_TRUE(std::ranges::equal(set.image(2, 2), small_image(5)));
  EXPECT_EQ(set.images().size(), 90u);
  EXPECT_EQ(std::uintptr_t(set.images().data()) % 64, 0u);
  EXPECT_EQ(set.header().sources[0].file, "small.zip");
  EXPECT_EQ(file.report.images, 6);
  EXPECT_EQ(file.report.bytes, file.bytes.size());
  EXPECT_EQ(file.report.digest, set.digest());
}

TEST(PackedSet, InMemoryEqualsItsFile) {
  std::vector<std::uint8_t> images;
  for (int i = 0; i < 6; ++i) {
    const auto image = small_image(i);
    images.insert(images.end(), image.begin(), image.end());
  }
  PackedSet set = PackedSet::in_memory(small_header(), images);
  const PackedSet moved = std::move(set);
  const SmallFile file;
  EXPECT_EQ(moved.digest(), file.report.digest);
  EXPECT_TRUE(std::ranges::equal(moved.image(1, 0), small_image(2)));
  expect_error(ErrorKind::internal, "3 bytes of images given", [] {
    PackedSet::in_memory(small_header(), {1, 2, 3});
  });
}

TEST(PackedSet, FindsSplitsByNameAndPart) {
  const SmallFile file;
  const PackedSet set = PackedSet::open(file.path());
  EXPECT_EQ(set.default_scheme(), "first");
  EXPECT_EQ(set.split("", "train")[0], 2);
  EXPECT_EQ(set.split("first", "val")[0], 0);
  EXPECT_EQ(set.split("second", "train").size(), 2u);
  EXPECT_TRUE(set.split("second", "validation").empty());
  expect_error(ErrorKind::usage, "no split 'third'; it has: first, second",
               [&] { set.split("third", "train"); });
  expect_error(ErrorKind::usage, "no part 'all'; there are train, validation and test",
               [&] { set.split("first", "all"); });
}

TEST(PackedSet, WriterRefusesTooFewOrWrongImages) {
  TemporaryFolder folder;
  PackWriter writer(folder / "set.mtd", small_header());
  const std::vector<std::uint8_t> short_image(14);
  expect_error(ErrorKind::internal, "image 0 has 14 bytes, expected 15",
               [&] { writer.add(short_image); });
  expect_error(ErrorKind::internal, "0 images were written, the header promises 6",
               [&] { writer.commit(); });
  EXPECT_FALSE(std::filesystem::exists(folder / "set.mtd"));
}

TEST(PackedSet, WriterRefusesNamesThatAreNotText) {
  TemporaryFolder folder;
  PackedHeader header = small_header();
  header.classes[0].name = "\xff\xfe";
  expect_error(ErrorKind::io, "is not UTF-8", [&] { PackWriter(folder / "set.mtd", header); });
}

TEST(DamagedPackedSet, IsNamedAsNotAPackedSet) {
  const SmallFile file;
  file.expect_refused("", "is not a packed data set (it is empty)");
  file.expect_refused("PK\x03\x04 and so on", "is not a packed data set (it is a zip archive)");
  file.expect_refused(std::string(500, 'x'), "is not a packed data set; make one with");
  std::string text_mode = file.bytes;
  text_mode.erase(4, 1);  // CR LF -> LF
  file.expect_refused(text_mode, "is not a packed data set");
}

TEST(DamagedPackedSet, IsNamedAsTruncatedWhereverItEnds) {
  const SmallFile file;
  for (std::size_t length = 1; length < kPreambleBytes; ++length)
    file.expect_refused(file.bytes.substr(0, length),
                        fmt::format("is truncated: {} bytes found, at least 96 expected", length));
  for (std::size_t length = kPreambleBytes; length < file.bytes.size(); ++length)
    file.expect_refused(file.bytes.substr(0, length),
                        fmt::format("is truncated: {} bytes found, {} expected; copy it again",
                                    length, file.bytes.size()));
  file.expect_refused(file.bytes + "x", fmt::format("has {} bytes, {} expected: something was",
                                                    file.bytes.size() + 1, file.bytes.size()));
}

TEST(DamagedPackedSet, IsRefusedWhicheverByteIsFlipped) {
  const SmallFile file;
  ASSERT_EQ(file.open(file.bytes).class_count(), 3);
  for (std::size_t at = 0; at < file.bytes.size(); ++at) {
    std::string damaged = file.bytes;
    damaged[at] = char(damaged[at] ^ 0x10);
    EXPECT_THROW(file.open(damaged), Error) << "byte " << at;
  }
}

TEST(DamagedPackedSet, SaysWhichPartIsDamaged) {
  const SmallFile file;
  std::string damaged = file.bytes;
  damaged[kPreambleBytes + 5] ^= 1;
  file.expect_refused(damaged, "the header is damaged: SHA-256");
  damaged = file.bytes;
  damaged.back() ^= 1;
  file.expect_refused(damaged, "the image payload is damaged: SHA-256");
  damaged = file.bytes;
  damaged[kPreambleBytes + file.json().size()] = 1;
  file.expect_refused(damaged, "the padding after the header is damaged");
  damaged = file.bytes;
  damaged[kZeroAt] = 1;
  file.expect_refused(damaged, "has a damaged preamble");
}

TEST(DamagedPackedSet, OfALaterVersionSaysSo) {
  const SmallFile file;
  std::string later = file.bytes;
  later[kVersionAt] = 9;
  file.expect_refused(later, "has format version 9, this build reads version 1; use a newer");
  later[kVersionAt] = 0;
  file.expect_refused(later, "has a damaged preamble");
}

TEST(DamagedPackedSet, LengthsThatOverflowAreRefused) {
  const SmallFile file;
  std::string hostile = file.bytes;
  std::memset(&hostile[kHeaderLengthAt], 0xff, 8);
  file.expect_refused(hostile, "claims a header of 18446744073709551615 bytes");
  hostile = file.bytes;
  hostile[kHeaderLengthAt + 2] = 1;  // 65536 more: within the limit, beyond the file
  file.expect_refused(hostile, "but its header of");
  hostile = file.bytes;
  std::memset(&hostile[kFileLengthAt], 0xff, 8);
  file.expect_refused(hostile, "18446744073709551615 expected");
}

TEST(HostileHeader, ThatIsNotStrictJsonIsRefused) {
  const SmallFile file;
  EXPECT_EQ(file.open(file.with_header(file.json())).class_count(), 3);
  file.expect_refused(file.with_header("{"), "is not valid JSON");
  file.expect_refused(file.with_header(""), "is not valid JSON");
  file.expect_refused(file.with_header("[]"), "kind");
  file.expect_refused(file.with_header(file.json() + "{}"), "is not valid JSON");
  file.expect_refused(file.with_edit("\"height\":3", "\"height\":3,\"height\":3"), "occurs twice");
  file.expect_refused(file.with_edit("\"alpha\"",
                                     "\"al\xff\""
                                     "\"pha\""),
                      "is not valid JSON");
  file.expect_refused(file.with_edit("\"alpha\"", "[[[[[[[[[[0]]]]]]]]]]"), "nested deeper");
  file.expect_refused(file.with_header(std::string(100'000, '[')), "nested deeper");
}

TEST(HostileHeader, WithImpossibleImagesIsRefused) {
  const SmallFile file;
  file.expect_refused(file.with_edit("\"height\":3", "\"height\":0"), "\"height\" is 0");
  file.expect_refused(file.with_edit("\"height\":3", "\"height\":-3"), "\"height\" is -3");
  file.expect_refused(file.with_edit("\"height\":3", "\"height\":3.0"), "\"height\" is 3.0");
  file.expect_refused(file.with_edit("\"height\":3", "\"height\":16385"), "\"height\" is 16385");
  file.expect_refused(file.with_edit("\"height\":3", "\"height\":18446744073709551619"),
                      "\"height\" is 1.8446744073709552e+19");
  file.expect_refused(file.with_edit("\"width\":5", "\"width\":6"),
                      "has 90 bytes of images, its header promises 6 x 18 = 108");
  file.expect_refused(file.with_edit("\"channels\":1", "\"channels\":2"), "2 channels found");
  std::string large = file.json();
  large.replace(large.find("\"height\":3"), 10, "\"height\":16384");
  large.replace(large.find("\"width\":5"), 9, "\"width\":16384");
  large.replace(large.find("\"channels\":1"), 12, "\"channels\":3");
  file.expect_refused(file.with_header(large), "one image has 805306368 bytes");
}

TEST(HostileHeader, WithImpossibleClassesIsRefused) {
  const SmallFile file;
  file.expect_refused(file.with_edit("\"count\":2", "\"count\":0"), "\"count\" is 0");
  file.expect_refused(file.with_edit("\"count\":3", "\"count\":2147483648"),
                      "class 'gamma' has 2147483648 images, expected 1..2147483645");
  file.expect_refused(file.with_edit("\"count\":3", "\"count\":9223372036854775807"),
                      "\"count\" is 9223372036854775807");
  file.expect_refused(file.with_edit("\"count\":3", "\"count\":2147483645"),
                      "its header promises 2147483648 x 15");
  file.expect_refused(file.with_edit("\"first\":2", "\"first\":1"),
                      "class 'beta' starts at image 1, expected 2");
  file.expect_refused(file.with_edit("\"beta\"", "\"alpha\""), "class 'alpha' is listed twice");
  file.expect_refused(file.with_edit("\"beta\"", "\"\""), "a class name has 0 bytes");
  file.expect_refused(file.with_edit("\"beta\"", "\"" + std::string(1025, 'b') + "\""), "\"name\"");
  file.expect_refused(file.with_edit("\"classes\"", "\"klasses\""), "no list 'classes'");
  file.expect_refused(file.with_edit("{\"count\":1,\"first\":2,\"name\":\"beta\"}", "7"),
                      "found a JSON number where an object with \"name\" is expected");
}

TEST(HostileHeader, WithImpossibleSplitsIsRefused) {
  const SmallFile file;
  file.expect_refused(file.with_edit("\"train\":[2]", "\"train\":[3]"),
                      "names class 3, classes are 0..2");
  file.expect_refused(file.with_edit("\"train\":[2]", "\"train\":[-1]"), "names class -1");
  file.expect_refused(file.with_edit("\"train\":[2]", "\"train\":[4294967296]"),
                      "names class 4294967296");
  file.expect_refused(file.with_edit("\"train\":[2]", "\"train\":[1.5]"), "names class 1.5");
  file.expect_refused(file.with_edit("\"train\":[2]", "\"train\":[0]"),
                      "split 'first' uses class 0 twice; parts must be disjoint");
  file.expect_refused(file.with_edit("\"train\":[2]", "\"train\":2"), "no list 'train'");
  file.expect_refused(file.with_edit("\"second\"", "\"first\""), "split 'first' is listed twice");
}

}  // namespace
}  // namespace metatape
