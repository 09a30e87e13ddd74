// Split files: the input as one table, and as the three lists of a folder.

#include <fmt/format.h>

#include "meta/data/class_split.h"
#include "tests/fuzz/fuzz.h"

namespace metatape {
namespace {

/// A folder with train, val and test of one kind, all of which are the file.
class SplitFolder {
 public:
  SplitFolder(const MemoryFile& file, const char* extension)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("metatape-fuzz-{}{}", ::getpid(), extension)) {
    std::filesystem::create_directories(path_);
    for (const char* part : {"train", "val", "test"})
      std::filesystem::create_symlink(file.path(), path_ / fmt::format("{}{}", part, extension));
  }
  ~SplitFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace
}  // namespace metatape

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace metatape;
  static const std::vector<std::string> classes = {"cat", "dog", "n0153282900",
                                                   "Greek/character01"};
  static MemoryFile file;
  static const SplitFolder texts(file, ".txt"), tables(file, ".csv");
  file.set(as_text(data, size));
  for (const std::filesystem::path& path : {file.path(), texts.path(), tables.path()})
    accepted([&] { unused_classes_note(read_split(path, "split", classes), classes); });
  return 0;
}
