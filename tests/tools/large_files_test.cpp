// Files of others at their largest, where a fuzzer with its few kilobytes does not come: what is
// not wanted is refused before it takes the machine's memory.

#include <gtest/gtest.h>
#include <zlib.h>

#include <functional>

#include "tests/meta/image_files.h"
#include "tests/support/tensor_file.h"
#include "tests/tools/command.h"

namespace metatape {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::int64_t kProgram = 64 << 20;  // what the command takes without any file, and slack

std::string repeated(const std::string& text, std::size_t bytes) {
  std::string all;
  all.reserve(bytes + text.size());
  while (all.size() < bytes) all += text;
  return all;
}

std::string numbered(const std::string& before, const std::string& after, std::size_t bytes) {
  std::string all;
  for (std::size_t i = 0; all.size() < bytes; ++i) all += before + std::to_string(i) + after;
  return all;
}

void expect_at_most(std::int64_t bytes, const CommandResult& r) {
  EXPECT_TRUE(kAddressSanitizer || r.peak_bytes <= bytes) << r.peak_bytes << " of " << bytes;
}

/// Writes the file; the command that reads it ends with exit code 3, has said `message`, in a few
/// lines, and took at most twice the file's size and `more` bytes.
void expect_refused(const std::string& name, const Arguments& command, const std::string& content,
                    const std::string& message, std::int64_t more = 0) {
  SCOPED_TRACE(message);
  constexpr std::size_t kLongestMessage = 5000;
  const Workplace place;
  std::filesystem::create_directory(place.path("run"));
  write_text(place.path("run/config.json"), R"({"settings": {}})");
  const std::string png = encode_png(uniform_image(4, 4, 1, 9));
  write_archive(place.path("sound.zip"), {{"c0/1.png", png}, {"c1/1.png", png}});
  write_text(place.path(name), content);
  const CommandResult r = place.run(command);
  EXPECT_EQ(r.exit_code, 3);
  EXPECT_NE(r.errors.find(message), std::string::npos) << r.errors.substr(0, kLongestMessage);
  EXPECT_LT(r.errors.size(), kLongestMessage);
  expect_at_most(2 * std::int64_t(content.size()) + kProgram + more, r);
}

TEST(LargeFiles, Recipes) {
  const auto refused = [](const std::string& content, const std::string& message) {
    expect_refused("large.json", {"plan", "--recipe", "large.json"}, content, message);
  };
  const std::string name(kMiB - 100, 'n');
  refused(R"({"settings": {")" + std::string(16 * kMiB, 'n') + R"(": 1}})",
          "a recipe has at most 1048576");
  refused(R"({"settings": {")" + name + R"(": 1}})", "at most 1024 are read");
  refused(R"({"settings": {"model": {"name": ")" + name + R"("}}})", "is not possible; expected");
  refused("{" + numbered("\"k", "\":1,", kMiB - 100) + R"("settings":{}})", "unknown entry");
}

TEST(SlowLargeFiles, HeadersOfTensors) {
  // Two million values in two million lists, texts or objects: 130 bytes for each.
  constexpr std::int64_t kValues = std::int64_t{256} << 20;
  for (const char* value : {"1,", "\"\",", "{},", "[],"})
    expect_refused("large.safetensors", {"info", "large.safetensors"},
                   tensor_file("{\"w\":[" + repeated(value, 16 * kMiB - 100) + "0]}"),
                   "more than 2000000 JSON values", kValues);
  expect_refused("large.safetensors", {"info", "large.safetensors"},
                 tensor_file("{" + numbered("\"", "\":1,", 16 * kMiB - 100) + "\"w\":1}"),
                 "at most 100000 are read", kValues);
}

TEST(SlowLargeFiles, SplitLists) {
  const auto refused = [](const std::string& content, const std::string& message) {
    expect_refused("large.csv",
                   {"pack", "images", "--in", "sound.zip", "--split", "large.csv", "--out", "o"},
                   content, message);
  };
  const std::string header = "class,split\n";
  refused(header + std::string(64 * kMiB - 100, ','), "line 2 has 67108764 bytes");
  refused(header + repeated("c0,train\n", 63 * kMiB) + "c0\n", "has 1 fields");
  refused(header + numbered("k", ",train\n", 64 * kMiB - 100), "at least 1001 classes");
  refused(header + std::string(63 * kMiB, 'n') + ",train\n", "line 2 has 66060294 bytes");
  refused(header + std::string(64 * kMiB, 'n'), "a list of classes has at most 67108864");
}

TEST(LargeFiles, RunFolders) {
  const auto refused = [](const std::string& name, const std::string& content,
                          const std::string& message) {
    expect_refused("run/" + name, {"report", "run", "--out", "page"}, content, message);
  };
  refused("config.json", repeated(" ", 2 * kMiB), "the file of a metatape run has at most");
  refused("metrics.jsonl", "{\"iteration\": 1, " + std::string(10 * kMiB, ' ') + "\"loss\": 1}",
          "metrics.jsonl] line 1 has");
  refused("metrics.jsonl", "{" + numbered("\"m", "\":1,", 32 << 10) + "\"iteration\": 1}",
          "more than 1000 names");
  refused("result.json", repeated(" ", 17 * kMiB), "the result of a run has at most");
}

/// A chunk of a PNG: its length, name, content and check sum.
std::string png_chunk(const std::string& name, const std::string& content) {
  const auto number = [](std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += char(value >> shift);
    return bytes;
  };
  const std::string body = name + content;
  const auto sum = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), uInt(body.size()));
  return number(std::uint32_t(content.size())) + body + number(std::uint32_t(sum));
}

std::string compressed(const std::string& text) {
  uLongf size = ::compressBound(uLong(text.size()));
  std::string result(size, '\0');
  ::compress(reinterpret_cast<Bytef*>(result.data()), &size,
             reinterpret_cast<const Bytef*>(text.data()), uLong(text.size()));
  return result.substr(0, size);
}

TEST(LargeFiles, TextsInAnImageAreNotUnpacked) {
  constexpr std::size_t kAfterHeader = 33;  // signature and first chunk
  const std::string text =
      png_chunk("zTXt", std::string("k\0\0", 3) + compressed(std::string(7 * kMiB, 'a')));
  std::string texts;
  for (int i = 0; i < 100; ++i) texts += text;
  const Workplace place;
  const std::string png = encode_png(uniform_image(4, 4, 1, 9));
  std::filesystem::create_directories(place.path("images/cat"));
  write_text(place.path("images/cat/1.png"),
             png.substr(0, kAfterHeader) + texts + png.substr(kAfterHeader));
  const CommandResult r = place.run({"pack", "images", "--in", "images", "--out", "set.mtd"});
  EXPECT_EQ(r.exit_code, 0) << r.errors;
  expect_at_most(kProgram, r);
}

TEST(LargeFiles, ManyImagesTakeNoMemory) {
  constexpr int kClasses = 10, kImages = 500;  // 106 MB of pixels
  const std::string png = encode_png(uniform_image(4, 4, 3, 9));
  FileTree files;
  for (int i = 0; i < kClasses * kImages; ++i)
    files.emplace("c" + std::to_string(i % kClasses) + "/" + std::to_string(i) + ".png", png);
  const Workplace place;
  write_archive(place.path("images.zip"), files);
  const CommandResult r = place.run({"pack", "images", "--in", "images.zip", "--out", "set.mtd"});
  EXPECT_EQ(r.exit_code, 0) << r.errors;
  EXPECT_EQ(place.files_in(""), (std::vector<std::string>{"images.zip", "set.mtd"}));
  expect_at_most(kProgram, r);
}

TEST(SlowLargeFiles, NamesInAnArchive) {
  const auto refused = [](const FileTree& files, const std::string& message) {
    const TemporaryFolder folder;
    write_archive(folder / "large.tar.gz", files);
    const std::string content = read_text(folder / "large.tar.gz");
    const std::int64_t unpacked = 2 * 200 * std::int64_t(content.size());
    expect_refused("large.tar.gz", {"pack", "images", "--in", "large.tar.gz", "--out", "set.mtd"},
                   content, message, unpacked);
  };
  refused({{std::string(5000, 'n') + "/", ""}}, "a name of 5000 bytes, at most 4096");
  FileTree folders;
  for (int i = 0; i < 20'000; ++i)
    folders.emplace(std::string(4000, 'n') + std::to_string(i) + "/", "");
  refused(folders, "as a zip bomb");
}

}  // namespace
}  // namespace metatape
