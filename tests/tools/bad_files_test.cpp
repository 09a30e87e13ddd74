// Files that somebody made by hand to do harm or that a disk has damaged: each is refused with exit
// code 3 and a message that names the file and what is wrong, and nothing is left behind.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "engine/io/sha256.h"
#include "meta/data/packed_preamble.h"
#include "tests/meta/image_files.h"
#include "tests/support/tensor_file.h"
#include "tests/tools/command.h"

namespace metatape {
namespace {

constexpr int kFile = 3;
constexpr std::size_t kFewest = 40;

/// What the bytes stand for decides which command reads them.
enum class Kind { tensors, data_set, recipe, run, split, images };

struct BadFile {
  Kind kind;
  std::string content;
  std::string message;  ///< a part of what must be said
};

// ---- tensors -----------------------------------------------------------------------------------

std::string tensor(const std::string& entries, std::size_t data = 0) {
  return tensor_file("{\"w\":{" + entries + "}}", data);
}

std::string header_of_length(std::uint64_t length) {
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + "{}";
}

std::vector<BadFile> bad_tensors() {
  const std::string deep = std::string(9, '[') + std::string(9, ']');
  const std::string f32 = R"("dtype":"F32",)";
  const std::vector<std::pair<std::string, std::string>> files = {
      {"", "is 0 bytes long, shorter than the 8 bytes"},
      {header_of_length(~std::uint64_t{0}), "claims a header of 18446744073709551615 bytes"},
      {header_of_length(100'000'001), "claims a header of 100000001 bytes; at most"},
      {header_of_length(9), "claims a header of 9 bytes, but only 2 follow; it was cut off"},
      {tensor_file("[]"), "a header that does not begin with '{'"},
      {tensor_file("{\"w\":"), "not valid JSON"},
      {tensor_file(R"({"w":{},"w":{}})"), "key \"w\" occurs twice"},
      {tensor_file("{\"w\":" + deep + "}"), "nested deeper than 8 levels"},
      {tensor_file("{\"a\\u0000b\":{}}"), "NUL character"},
      {tensor_file("{\"" + std::string(2000, 'n') + "\":{}}"),
       "has 2000 bytes; at most 1024 are read"},
      {tensor_file(R"({"__metadata__":{"a":1}})"), "has a JSON number as metadata \"a\""},
      {tensor(f32 + R"("shape":[1])"), "has 2 entries; exactly dtype, shape and data_offsets"},
      {tensor(R"("dtype":"BF16","shape":[1],"data_offsets":[0,2])", 2), "has dtype BF16; F32"},
      {tensor(f32 + R"("shape":[-1],"data_offsets":[0,4])", 4), "has -1 in its shape"},
      {tensor(f32 + R"("shape":[1.0],"data_offsets":[0,4])", 4), "has 1.0 in its shape"},
      {tensor(f32 + R"("shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])", 4),
       "has a shape that is not a list of at most 8 extents"},
      {tensor(f32 + R"("shape":[4611686018427387904,8],"data_offsets":[0,0])"),
       "has more bytes than can be counted"},
      {tensor(f32 + R"("shape":[2],"data_offsets":[8,0])", 8), "begins at 8 and ends before, at 0"},
      {tensor(f32 + R"("shape":[3],"data_offsets":[0,8])", 8), "has 8 bytes of data; 12 follow"},
      {tensor(f32 + R"("shape":[2],"data_offsets":[0,8])", 4), "but the file holds 4"},
      {tensor(f32 + R"("shape":[1],"data_offsets":[4,8])", 8), "without hole or overlap"},
      {tensor(f32 + R"("shape":[1],"data_offsets":[0,4])", 9), "has 5 bytes after its last tensor"},
  };
  std::vector<BadFile> all;
  for (const auto& [content, message] : files) all.push_back({Kind::tensors, content, message});
  return all;
}

// ---- data sets ---------------------------------------------------------------------------------

/// A packed set whose lengths and checksums fit this header; its 8 bytes of images are zero.
std::string data_set(const std::string& header) {
  PackedPreamble preamble;
  preamble.header_length = header.size();
  preamble.header_sha256 = Sha256().update(header).hex();
  preamble.file_length = preamble.payload_offset() + 8;
  const auto head = encode_preamble(preamble);
  std::string file(reinterpret_cast<const char*>(head.data()), head.size());
  file += header;
  file.resize(preamble.file_length, '\0');
  return file;
}

/// The header of two images of 2 x 2 with one entry replaced.
std::string changed_set(const std::string& found, const std::string& replacement) {
  std::string header =
      R"({"kind":"k","height":2,"width":2,"channels":1,"scale":"s","sources":[],)"
      R"("classes":[{"name":"a","first":0,"count":1},{"name":"b","first":1,"count":1}],)"
      R"("splits":[{"name":"x","train":[0],"validation":[],"test":[1]}],"payload_sha256":")" +
      Sha256().update(std::string(8, '\0')).hex() + "\"}";
  const std::size_t at = header.find(found);
  EXPECT_NE(at, header.npos) << found;
  return data_set(header.replace(at, found.size(), replacement));
}

std::vector<BadFile> bad_data_sets() {
  std::string longer_header = changed_set("\"k\"", "\"k\"");
  const std::uint64_t huge = ~std::uint64_t{0} - 50;  // the end of the header wraps around
  std::memcpy(&longer_header[16], &huge, sizeof huge);
  std::string newer = changed_set("\"k\"", "\"k\"");
  newer[8] = 2;
  const std::vector<std::pair<std::string, std::string>> files = {
      {"GIF89a" + std::string(100, 'x'), "is not a packed data set"},
      {longer_header, "claims a header of 18446744073709551565 bytes, at most"},
      {newer, "has format version 2, this build reads version 1"},
      {changed_set("\"height\":2", "\"height\":0"), "\"height\" is 0"},
      {changed_set("\"height\":2", "\"height\":1e30"), "\"height\" is 1e+30"},
      {changed_set("\"height\":2", "\"height\":4"), "has 8 bytes of images"},
      {changed_set("\"channels\":1", "\"channels\":2"), "2 channels found, expected 1 or 3"},
      {changed_set("\"first\":1", "\"first\":0"), "class 'b' starts at image 0, expected 1"},
      {changed_set("\"count\":1", "\"count\":-1"), "\"count\" is -1"},
      {changed_set("\"name\":\"b\"", "\"name\":\"a\""), "class 'a' is listed twice"},
      {changed_set("\"test\":[1]", "\"test\":[7]"), "names class 7, classes are 0..1"},
      {changed_set("\"test\":[1]", "\"test\":[0]"), "uses class 0 twice; parts must be disjoint"},
  };
  std::vector<BadFile> all;
  for (const auto& [content, message] : files) all.push_back({Kind::data_set, content, message});
  return all;
}

// ---- recipes, runs, splits ---------------------------------------------------------------------

std::vector<BadFile> bad_texts() {
  return {
      {Kind::recipe, "[1]", "a recipe is a JSON object"},
      {Kind::recipe, R"({"settings": {"task": {"way": 5}}})", "did you mean task.ways?"},
      {Kind::recipe, R"({"settings": {"task": {"ways": 1e9}}})", "task.ways"},
      {Kind::recipe, R"({"settings": {"inner": {"lr": "fast"}}})", "inner.lr"},
      {Kind::recipe, R"({"setings": {}})", "unknown entry \"setings\""},
      {Kind::recipe, R"({"extends": "bad"})", "is it a circle?"},
      {Kind::run, "", "not valid JSON"},
      {Kind::run, R"({"format": 1})", "it has no \"settings\""},
      {Kind::run, R"({"settings": {"seed": -1.5}})", "seed"},
      {Kind::split, "name,part\nc0,train\n", "has no column 'class' in its first line"},
      {Kind::split, "class,split\nc0,train\nc0,test\n", "'c0' is in train and in test; keep one"},
      {Kind::split, "class,split\nc9,train\n", "1 classes of the split are not among the 3"},
      {Kind::split, "class,split\nc0,training\n", "there are train, val and test"},
      {Kind::split, "class,split\n\"c0,train\n", "line 2 has a quote that is not closed"},
      {Kind::split, std::string("class,split\nc0\0,train\n", 22), "holds a NUL byte"},
      {Kind::split, "class,split\nc0\n", "line 2 has 1 fields, its first line has 2"},
  };
}

// ---- images and archives -----------------------------------------------------------------------

std::string archive_of(const FileTree& files) {
  const TemporaryFolder folder;
  write_archive(folder / "a.zip", files);
  return read_text(folder / "a.zip");
}

std::string with_image(const std::string& content) { return archive_of({{"cat/1.png", content}}); }

std::vector<BadFile> bad_images() {
  const std::string png = encode_png(uniform_image(4, 4, 1, 9));
  const std::string jpeg = encode_jpeg(uniform_image(16, 16, 1, 9));
  std::string wide = png;
  wide[16] = 0x7f;  // the first byte of the width
  const std::string sound = archive_of({{"cat/1.png", png}});
  return {
      {Kind::images, "", "is not a zip or tar archive (it is empty)"},
      {Kind::images, sound.substr(0, sound.size() - 30), "is a truncated zip"},
      {Kind::images, archive_of({{"readme.txt", "hello"}}), "holds no PNG or JPEG image"},
      {Kind::images, archive_of({{"1.png", png}}), "lies outside a class folder"},
      {Kind::images, archive_of({{"../../cat/1.png", png}}), "holds no PNG or JPEG image"},
      {Kind::images, archive_of({{"cat/1.png", png}, {"dog/", ""}}), "hold no PNG or JPEG image"},
      {Kind::images, archive_of({{"zeros", std::string(3'000'000, '\0')}}), "as a zip bomb"},
      {Kind::images, with_image(""), "the image is empty"},
      {Kind::images, with_image("GIF89a"), "is neither PNG nor JPEG"},
      {Kind::images, with_image(png.substr(0, png.size() - 20)), "is a damaged PNG"},
      {Kind::images, with_image(wide), "is a damaged PNG"},
      {Kind::images, with_image(jpeg.substr(0, jpeg.size() / 2)), "is a damaged JPEG"},
      {Kind::images, with_image(encode_jpeg(uniform_image(8, 8, 4, 9))), "with 4 colours (CMYK?)"},
  };
}

std::vector<BadFile> bad_files() {
  std::vector<BadFile> all = bad_tensors();
  for (const auto& more : {bad_data_sets(), bad_texts(), bad_images()})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::string name_of(Kind kind) {
  switch (kind) {
    case Kind::tensors:
      return "bad.safetensors";
    case Kind::data_set:
      return "bad.mtd";
    case Kind::recipe:
      return "bad";
    case Kind::run:
      return "run/config.json";
    case Kind::split:
      return "bad.csv";
    case Kind::images:
      return "bad.zip";
  }
  return {};
}

Arguments command_for(Kind kind) {
  switch (kind) {
    case Kind::tensors:
    case Kind::data_set:
      return {"info", name_of(kind)};
    case Kind::recipe:
      return {"plan", "--recipe", name_of(kind)};
    case Kind::run:
      return {"info", "run"};
    case Kind::split:
      return {"pack", "images", "--in", "sound.zip", "--split", "bad.csv", "--out", "set.mtd"};
    case Kind::images:
      return {"pack", "images", "--in", "bad.zip", "--out", "set.mtd"};
  }
  return {};
}

TEST(BadFiles, EachOfThemIsNamedWithWhatIsWrong) {
  const std::vector<BadFile> files = bad_files();
  EXPECT_GE(files.size(), kFewest);
  testing::Test::RecordProperty("files", int(files.size()));
  const Workplace place;
  const std::string png = encode_png(uniform_image(4, 4, 1, 9));
  write_archive(place.path("sound.zip"), {{"c0/1.png", png}, {"c1/1.png", png}, {"c2/1.png", png}});
  std::filesystem::create_directory(place.path("run"));
  for (const BadFile& bad : files) {
    const std::string name = name_of(bad.kind);
    SCOPED_TRACE(name + ": " + bad.message);
    write_text(place.path(name), bad.content);
    const std::vector<std::string> before = place.files_in("");
    const CommandResult r = place.run(command_for(bad.kind));
    EXPECT_EQ(r.exit_code, kFile) << r.errors;
    EXPECT_NE(r.errors.find(bad.message), std::string::npos) << r.errors;
    EXPECT_NE(r.errors.find("[" + name), std::string::npos)
        << "the file is not named: " << r.errors;
    EXPECT_EQ(place.files_in(""), before);
  }
}

}  // namespace
}  // namespace metatape
