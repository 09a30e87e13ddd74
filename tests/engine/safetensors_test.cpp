#include "engine/io/safetensors.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/expect_error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tensor_file.h"

namespace metatape {
namespace {

void expect_refused(const std::string& content, const std::string& fragment) {
  const TemporaryFolder folder;
  write_text(folder / "bad.safetensors", content);
  expect_error(ErrorKind::io, fragment, [&] { SafetensorsFile(folder / "bad.safetensors"); });
  expect_error(ErrorKind::io, "bad.safetensors",
               [&] { SafetensorsFile(folder / "bad.safetensors"); });
}

/// A file of one tensor "w" with these entries.
void expect_entry_refused(const std::string& entries, std::size_t data,
                          const std::string& fragment) {
  expect_refused(tensor_file("{\"w\":{" + entries + "}}", data), fragment);
}

std::string f32_entry(const std::string& name, int begin, int end) {
  return fmt::format(R"("{}":{{"dtype":"F32","shape":[{}],"data_offsets":[{},{}]}})", name,
                     (end - begin) / 4, begin, end);
}

void write_example(const std::filesystem::path& path) {
  static const std::vector<float> weights = {1.5f, -2.0f, 3.25f, 0.0f, 5.0f, 6.0f};
  static const std::vector<double> rates = {0.01};
  static const std::vector<std::int32_t> labels = {-1, 7};
  static const std::vector<std::int64_t> counters = {1LL << 40};
  static const std::vector<std::uint8_t> pixels = {0, 255, 3};
  SafetensorsWriter writer;
  writer.add("theta/weights", {2, 3}, weights)
      .add("rate", {}, rates)
      .add("counter", {1}, counters)
      .add("labels", {2}, labels)
      .add("pixels", {3, 1}, pixels)
      .add("nothing", {0, 5}, std::vector<float>{})
      .set_metadata("recipe", "maml \"5-way\"\n")
      .set_metadata("format", "metatape");
  writer.write(path);
}

TEST(Safetensors, GivesBackWhatWasWritten) {
  const TemporaryFolder folder;
  write_example(folder / "step.safetensors");
  const SafetensorsFile file(folder / "step.safetensors");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"theta/weights", "rate", "counter", "labels",
                                                    "pixels", "nothing"}));
  EXPECT_EQ(file.at("theta/weights").shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(file.values<float>("theta/weights"),
            (std::vector<float>{1.5f, -2.0f, 3.25f, 0.0f, 5.0f, 6.0f}));
  EXPECT_TRUE(file.at("rate").shape.empty());
  EXPECT_EQ(file.values<double>("rate"), (std::vector<double>{0.01}));
  EXPECT_EQ(file.values<std::int64_t>("counter"), (std::vector<std::int64_t>{1LL << 40}));
  EXPECT_EQ(file.values<std::int32_t>("labels"), (std::vector<std::int32_t>{-1, 7}));
  EXPECT_EQ(file.values<std::uint8_t>("pixels"), (std::vector<std::uint8_t>{0, 255, 3}));
  EXPECT_TRUE(file.values<float>("nothing").empty());
  EXPECT_EQ(file.metadata().at("recipe"), "maml \"5-way\"\n");
  EXPECT_EQ(file.metadata().size(), 2u);
}

TEST(Safetensors, WritesTheSameBytesEachTime) {
  const TemporaryFolder folder;
  write_example(folder / "a");
  write_example(folder / "b");
  const std::string bytes = read_text(folder / "a");
  EXPECT_FALSE(bytes.empty());
  EXPECT_EQ(bytes, read_text(folder / "b"));
}

TEST(Safetensors, WritesTheBytesOfTheFormat) {
  const TemporaryFolder folder;
  SafetensorsWriter().add("w", {2}, std::vector<std::uint8_t>{'x', 'x'}).write(folder / "w");
  const std::string header = R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(read_text(folder / "w"), tensor_file(header + padding, 2));
}

TEST(Safetensors, ReadsTensorsOfOtherWritersInAnyOrder) {
  const TemporaryFolder folder;
  write_text(folder / "f",
             tensor_file("{" + f32_entry("a", 8, 12) + ", " + f32_entry("b", 0, 8) + "}   ", 12));
  const SafetensorsFile file(folder / "f");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(file.values<float>("a").size(), 1u);
  EXPECT_TRUE(file.metadata().empty());
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  const TemporaryFolder folder;
  SafetensorsWriter().write(folder / "empty");
  EXPECT_TRUE(SafetensorsFile(folder / "empty").names().empty());
}

TEST(Safetensors, NamesAMissingTensorAndAnotherType) {
  const TemporaryFolder folder;
  write_example(folder / "f");
  const SafetensorsFile file(folder / "f");
  EXPECT_EQ(file.find("bias"), nullptr);
  expect_error(ErrorKind::io, "has no tensor \"bias\"", [&] { file.at("bias"); });
  expect_error(ErrorKind::io, "\"rate\" has dtype F64; F32 is expected",
               [&] { file.values<float>("rate"); });
}

TEST(SafetensorsReader, RefusesABrokenBeginning) {
  expect_refused("", "is 0 bytes long");
  expect_refused("1234567", "is 7 bytes long");
  expect_refused(std::string(8, '\xff'), "claims a header of 18446744073709551615 bytes");
  expect_refused(std::string("\1\0\0\1\0\0\0\0", 8), "at most 16777216 are read");
  expect_refused(tensor_file("{}", 0).substr(0, 9),
                 "claims a header of 2 bytes, but only 1 follow");
  expect_refused(tensor_file("", 0), "does not begin with '{'");
  expect_refused(tensor_file(" {}", 0), "does not begin with '{'");
  expect_refused(tensor_file("{\"w\":", 0), "is not valid JSON");
  expect_refused(tensor_file("{\"\xc3\":1}", 0), "is not valid JSON");
}

TEST(SafetensorsReader, RefusesDuplicateNames) {
  const std::string twice = "{" + f32_entry("w", 0, 4) + "," + f32_entry("w", 4, 8) + "}";
  expect_refused(tensor_file(twice, 8), "key \"w\" occurs twice");
}

TEST(SafetensorsReader, RefusesWrongMetadata) {
  expect_refused(tensor_file(R"({"__metadata__":[]})", 0), "a JSON array as __metadata__");
  expect_refused(tensor_file(R"({"__metadata__":{"n":1}})", 0), "a JSON number as metadata \"n\"");
}

TEST(SafetensorsReader, RefusesWrongEntries) {
  expect_refused(tensor_file(R"({"w":[]})", 0), "tensor \"w\" is a JSON array");
  expect_entry_refused(R"("dtype":"F32","shape":[1])", 4, "has 2 entries");
  expect_entry_refused(R"("dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1)", 4,
                       "has 4 entries");
  expect_entry_refused(R"("dtype":"F32","shape":[1],"offsets":[0,4])", 4, "has no data_offsets");
  expect_entry_refused(R"("dtype":"BF16","shape":[1],"data_offsets":[0,2])", 2,
                       "has dtype BF16; F32, F64, I32, I64 or U8 is expected");
  expect_entry_refused(R"("dtype":4,"shape":[1],"data_offsets":[0,4])", 4, "\"dtype\" is 4");
}

TEST(SafetensorsReader, RefusesWrongShapes) {
  expect_entry_refused(R"("dtype":"F32","shape":1,"data_offsets":[0,4])", 4,
                       "a shape that is not a list");
  expect_entry_refused(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1])", 1,
                       "a list of at most 8 extents");
  expect_entry_refused(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", 4,
                       "has -1 in its shape");
  expect_entry_refused(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])", 4,
                       "has 1.0 in its shape");
  expect_entry_refused(R"("dtype":"F32","shape":[[1]],"data_offsets":[0,4])", 4,
                       "has array in its shape");
  expect_entry_refused(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4])", 4,
                       "has 18446744073709551615 in its shape");
  expect_entry_refused(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])", 0,
                       "more bytes than can be counted");
  expect_entry_refused(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])", 0,
                       "more bytes than can be counted");
  expect_entry_refused(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])", 4,
                       "has 4 bytes of data; 8 follow");
}

TEST(SafetensorsReader, RefusesWrongOffsets) {
  expect_entry_refused(R"("dtype":"F32","shape":[1],"data_offsets":[0])", 4,
                       "a data_offsets that is not a list of two");
  expect_entry_refused(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", 4,
                       "begins at 4 and ends before");
  expect_entry_refused(R"("dtype":"F32","shape":[1],"data_offsets":[-4,0])", 4,
                       "has -4 in its data_offsets");
  expect_entry_refused(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", 4,
                       "ends at byte 8 of the data, but the file holds 4");
  expect_entry_refused(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", 8,
                       "begins at byte 4 of the data; 0 is expected");
  expect_entry_refused(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 5,
                       "has 1 bytes after its last tensor");
  expect_refused(tensor_file("{}", 3), "has 3 bytes after its last tensor");
}

TEST(SafetensorsReader, RefusesHolesAndOverlaps) {
  const auto two = [](int begin, int end) {
    return tensor_file("{" + f32_entry("a", 0, 8) + "," + f32_entry("b", begin, end) + "}", 16);
  };
  expect_refused(two(12, 16), "\"b\" begins at byte 12 of the data; 8 is expected");
  expect_refused(two(4, 16), "\"b\" begins at byte 4 of the data; 8 is expected");
  expect_refused(two(0, 8), "\"b\" begins at byte 0 of the data; 8 is expected");
  expect_refused(two(4, 4), "\"b\" begins at byte 4 of the data; 8 is expected");
}

TEST(SafetensorsReader, RefusesWhatIsBeyondTheLimits) {
  expect_refused(tensor_file("{" + f32_entry(std::string(1025, 'n'), 0, 4) + "}", 4),
                 "has 1025 bytes; at most 1024 are read");
  std::string many = "{";
  for (int i = 0; i <= 100'000; ++i) many += (i ? "," : "") + f32_entry(std::to_string(i), 0, 0);
  expect_refused(tensor_file(many + "}", 0), "holds 100001 tensors; at most 100000");
}

TEST(SafetensorsReader, RefusesEveryTruncatedFile) {
  const TemporaryFolder folder;
  write_example(folder / "whole");
  const std::string whole = read_text(folder / "whole");
  ASSERT_GT(whole.size(), 100u);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write_text(folder / "cut", whole.substr(0, size));
    EXPECT_THROW(SafetensorsFile(folder / "cut"), Error) << size;
  }
}

TEST(SafetensorsWriter, RefusesWhatCouldNotBeReadAgain) {
  const std::vector<float> one = {1.0f};
  const TemporaryFolder folder;
  const auto refuses = [&](const std::string& fragment, auto&& misuse) {
    expect_error(ErrorKind::usage, fragment, [&] {
      SafetensorsWriter writer;
      misuse(writer);
      writer.write(folder / "f");
    });
  };
  refuses("[w] 4 bytes do not fit F32 [2,3]", [&](auto& w) { w.add("w", {2, 3}, one); });
  refuses("do not fit F32 [-1]", [&](auto& w) { w.add("w", {-1}, one); });
  refuses("[w] rank 9", [&](auto& w) { w.add("w", std::vector<std::int64_t>(9, 1), one); });
  refuses("added twice", [&](auto& w) { w.add("w", {1}, one).add("w", {1}, one); });
  refuses("cannot be the name", [&](auto& w) { w.add("__metadata__", {1}, one); });
  refuses("cannot be the name", [&](auto& w) { w.add(std::string(1025, 'n'), {1}, one); });
  refuses("not UTF-8", [&](auto& w) { w.add("\xff", {1}, one); });
  refuses("has 1025 bytes", [&](auto& w) { w.set_metadata(std::string(1025, 'k'), ""); });
  refuses("NUL character", [&](auto& w) { w.set_metadata(std::string("a\0b", 3), ""); });
  EXPECT_FALSE(std::filesystem::exists(folder / "f"));
}

}  // namespace
}  // namespace metatape
