#include "meta/data/input_files.h"

#include <algorithm>
#include <cstring>

#include "engine/error.h"
#include "engine/io/mapped_file.h"
#include "engine/io/paths.h"
#include "meta/data/archive_reader.h"

namespace metatape {

namespace fs = std::filesystem;

namespace {

class FolderFiles final : public InputFiles {
 public:
  explicit FolderFiles(const fs::path& root) : root_(root) {
    std::error_code error;
    for (fs::recursive_directory_iterator at(root, error), end; !error && at != end;
         at.increment(error)) {
      const bool is_folder = metatape::is_folder(at->path());
      if (is_folder || is_file(at->path()))
        entries_.emplace_back(at->path().lexically_relative(root).generic_string(), is_folder);
    }
    if (error) fail(ErrorKind::io, root.string(), "cannot list the folder: {}", error.message());
    std::ranges::sort(entries_);
  }

  bool next() override {
    if (next_ == entries_.size()) return false;
    std::tie(name_, is_folder_) = entries_[next_++];
    return true;
  }

  std::vector<std::byte> read() override {
    const fs::path path = root_ / name_;
    const MappedFile file(path);
    if (file.bytes().size() > kLargestInputFile)
      fail(ErrorKind::io, path.string(), "has {} bytes, at most {} are allowed",
           file.bytes().size(), kLargestInputFile);
    return {file.bytes().begin(), file.bytes().end()};
  }

 private:
  fs::path root_;
  std::vector<std::pair<std::string, bool>> entries_;
  std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<InputFiles> open_input(const fs::path& path) {
  if (!is_there(path))
    fail(ErrorKind::io, path.string(), "there is no such file or folder; check the path");
  if (is_folder(path)) return std::make_unique<FolderFiles>(path);
  return std::make_unique<ArchiveReader>(path);
}

}  // namespace metatape
