#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/io/file_calls.h"

namespace metatape {

/// Writes a file so that its name holds either the old content or the whole new content, whatever
/// happens: temporary file beside it, fsync, rename, fsync of the folder. Readers that have the old
/// file mapped keep it. Errors: io, naming the path, the system's reason and the remedy (disk full
/// is named as such); the temporary file is removed.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path, const FileCalls& calls = kSystemFileCalls);
  ~AtomicFile();  ///< without commit(): removes the temporary file, leaves the old one
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// Bytes at `offset` that were already written (a header whose checksum comes last).
  void overwrite(std::size_t offset, std::span<const std::byte> bytes);
  /// Bytes at `offset` that were already written.
  void read(std::size_t offset, std::span<std::byte> bytes) const;
  /// Takes the temporary name away: a place for what memory should not hold, which the system
  /// drops with the process. It cannot be committed any more.
  void make_nameless();
  void commit();

 private:
  void open_temporary();
  void sync_folder() const;
  /// Writes all of `bytes` at `offset`, whatever the system takes per call and however often it is
  /// interrupted.
  void write_at(std::size_t offset, std::span<const std::byte> bytes);
  [[noreturn]] void fail_to(const std::string& action, int reason) const;

  std::filesystem::path path_, temporary_;
  FileCalls calls_;
  std::size_t size_ = 0;  // bytes written so far
  int descriptor_ = -1;
};

void write_file_atomically(const std::filesystem::path&, std::string_view content);

/// Removes temporary files that a killed process left in `folder`; those that a living process is
/// still writing stay.
void remove_stale_temporaries(const std::filesystem::path& folder);
/// The same for one file, where the folder is not ours.
void remove_stale_temporaries_of(const std::filesystem::path& file);

}  // namespace metatape
