#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace metatape {

/// The files below a folder or inside an archive, one after the other. Nothing is ever written
/// under a name that comes from an archive.
class InputFiles {
 public:
  virtual ~InputFiles() = default;

  /// Moves to the next file or folder; false at the end.
  virtual bool next() = 0;

  /// Path of the current one relative to the root, parts joined by '/', no trailing slash.
  const std::string& name() const { return name_; }
  bool is_folder() const { return is_folder_; }

  /// Content of the current file; at most once per file. Errors: io, naming archive and file.
  virtual std::vector<std::byte> read() = 0;

 protected:
  std::string name_;
  bool is_folder_ = false;
};

/// One file may have at most this many bytes.
inline constexpr std::size_t kLargestInputFile = std::size_t{256} << 20;

/// A folder (in the order of the names), a zip, or a tar (plain, gzip, bzip2, xz, zstd).
/// Errors: io: no such path, not an archive, truncated, encrypted, damaged.
std::unique_ptr<InputFiles> open_input(const std::filesystem::path&);

}  // namespace metatape
