#pragma once

#include <filesystem>

namespace metatape {

/// Lets one process at a time work in a folder, by a lock on a file there that the system drops
/// with the process, however it ends. Where a file system has no locks, it lets all.
class FolderLock {
 public:
  /// What the second process does.
  enum class Busy { refuse, wait };

  /// Errors: usage, if it refuses, with the process that holds the lock; io, if nothing can be
  /// written there.
  explicit FolderLock(const std::filesystem::path& folder, const char* file = ".lock",
                      Busy = Busy::refuse);
  ~FolderLock();
  FolderLock(FolderLock&&) noexcept;
  FolderLock& operator=(FolderLock&&) noexcept;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace metatape
