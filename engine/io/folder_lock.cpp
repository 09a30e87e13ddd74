#include "engine/io/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "engine/error.h"
#include "engine/printable.h"

namespace metatape {
namespace {

constexpr std::size_t kLongestHolder = 256;

/// "process 12 on node7"
std::string this_process() {
  std::array<char, kLongestHolder> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("process {} on {}", ::getpid(), host.data());
}

std::string read_holder(int descriptor) {
  std::array<char, kLongestHolder> text{};
  const ssize_t got = ::pread(descriptor, text.data(), text.size(), 0);
  return got > 0 ? printable({text.data(), std::size_t(got)}) : "another process";
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder, const char* file, Busy busy)
    : path_(folder / file) {
  const int how = busy == Busy::wait ? LOCK_EX : LOCK_EX | LOCK_NB;
  for (;;) {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor_ < 0)
      fail(ErrorKind::io, path_.string(), "cannot create the file: {}; choose another folder",
           std::generic_category().message(errno));
    int reason = 0;
    do {
      reason = ::flock(descriptor_, how) == 0 ? 0 : errno;
    } while (reason == EINTR);
    if (reason == EWOULDBLOCK) {
      const std::string holder = read_holder(descriptor_);
      ::close(std::exchange(descriptor_, -1));
      fail(ErrorKind::usage, folder.string(),
           "{} is at work in this folder; wait for it or choose another one", holder);
    }
    // Whoever had the lock removes the file before the lock is gone: then it is another file's.
    struct stat status = {};
    if (::fstat(descriptor_, &status) == 0 && status.st_nlink > 0) break;
    ::close(std::exchange(descriptor_, -1));
  }
  const std::string holder = this_process();  // for a message only: it may be missing
  [[maybe_unused]] const ssize_t written =
      ::pwrite(descriptor_, holder.data(), std::min(holder.size(), kLongestHolder), 0);
}

FolderLock::~FolderLock() {
  if (descriptor_ < 0) return;
  ::unlink(path_.c_str());
  ::close(descriptor_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace metatape
