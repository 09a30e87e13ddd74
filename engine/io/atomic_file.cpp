#include "engine/io/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "engine/error.h"

// A temporary file is called <target>.partial-<process>-<count>. Its writer holds a lock on it, so
// that what a killed process left behind can be told from a file that is being written: process
// numbers alone cannot, because a restarted container uses the same ones again.

namespace metatape {
namespace {

constexpr std::string_view kTemporaryMark = ".partial-";

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::filesystem::path next_temporary(const std::filesystem::path& path) {
  static std::atomic<unsigned> count{0};
  std::filesystem::path temporary = path;
  temporary += fmt::format("{}{}-{}", kTemporaryMark, ::getpid(), count++);
  return temporary;
}

/// The name of the file that a temporary one stands for; empty if it is none.
std::string target_of(const std::filesystem::path& temporary) {
  const std::string name = temporary.filename().string();
  const std::size_t mark = name.rfind(kTemporaryMark);
  if (mark == std::string::npos) return "";
  const bool is_ours =
      name.find_first_not_of("0123456789-", mark + kTemporaryMark.size()) == name.npos;
  return is_ours ? name.substr(0, mark) : "";
}

void remove_if_stale(const std::filesystem::path& temporary) {
  const int descriptor = ::open(temporary.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return;
  struct stat status = {};
  const bool is_file = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  const bool nobody_writes_it = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
  if (is_file && nobody_writes_it) ::unlink(temporary.c_str());
  ::close(descriptor);
}

const char* remedy(int reason) {
  switch (reason) {
    case ENOSPC:
      return "the disk is full: free space there or choose another folder";
    case EDQUOT:
      return "your quota is used up: free space there or choose another folder";
    case EFBIG:
      return "the file would pass the size limit: raise it (ulimit -f) or choose another file "
             "system";
    case ENOENT:
    case ENOTDIR:
      return "its folder does not exist: create it or choose another one";
    case EACCES:
    case EPERM:
    case EROFS:
      return "choose a folder that you may write to";
    default:
      return "check the disk or choose another folder";
  }
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path, const FileCalls& calls)
    : path_(std::move(path)), calls_(calls) {
  // A rename would put a file in the place of a device or pipe that happens to have this name.
  std::error_code unknown;
  const auto status = std::filesystem::status(path_, unknown);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    fail(ErrorKind::io, path_.string(),
         "it is a {}, expected a file or a new name; choose another name",
         std::filesystem::is_directory(status) ? "folder" : "device or pipe");
  open_temporary();
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::open_temporary() {
  // A name can be taken by a killed process of the same number; and between open and lock, another
  // process that cleans up can take the file for an abandoned one. Both are answered by another
  // try.
  for (;;) {
    temporary_ = next_temporary(path_);
    descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0) {
      const int reason = errno;
      if (reason == EEXIST || reason == EINTR) continue;
      temporary_.clear();
      fail_to("create the file", reason);
    }
    ::flock(descriptor_, LOCK_EX | LOCK_NB);  // some network file systems have no locks
    struct stat status = {};
    if (::fstat(descriptor_, &status) == 0 && status.st_nlink > 0) return;
    ::close(std::exchange(descriptor_, -1));
  }
}

void AtomicFile::write_at(std::size_t offset, std::span<const std::byte> bytes) {
  if (descriptor_ < 0)
    fail(ErrorKind::internal, path_.string(), "write after commit; write first, then commit once");
  std::span<const std::byte> rest = bytes;
  while (!rest.empty()) {
    const auto at = static_cast<off_t>(offset + (bytes.size() - rest.size()));
    const ssize_t written = calls_.pwrite(descriptor_, rest.data(), rest.size(), at);
    if (written > 0) {
      rest = rest.subspan(static_cast<std::size_t>(written));
    } else if (written == 0) {
      fail_to(fmt::format("write {} bytes at offset {}", rest.size(), at), EIO);
    } else if (errno != EINTR) {
      fail_to(fmt::format("write {} bytes at offset {}", rest.size(), at), errno);
    }
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_at(size_, bytes);
  size_ += bytes.size();
}

void AtomicFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void AtomicFile::overwrite(std::size_t offset, std::span<const std::byte> bytes) {
  if (offset > size_ || bytes.size() > size_ - offset)
    fail(ErrorKind::internal, path_.string(),
         "overwrite of {} bytes at offset {}, but only {} bytes were written", bytes.size(), offset,
         size_);
  write_at(offset, bytes);
}

void AtomicFile::read(std::size_t offset, std::span<std::byte> bytes) const {
  if (descriptor_ < 0 || offset > size_ || bytes.size() > size_ - offset)
    fail(ErrorKind::internal, path_.string(),
         "read of {} bytes at offset {}, but only {} bytes were written", bytes.size(), offset,
         size_);
  std::span<std::byte> rest = bytes;
  while (!rest.empty()) {
    const auto at = static_cast<off_t>(offset + (bytes.size() - rest.size()));
    const ssize_t got = calls_.pread(descriptor_, rest.data(), rest.size(), at);
    if (got > 0)
      rest = rest.subspan(static_cast<std::size_t>(got));
    else if (got == 0 || errno != EINTR)
      fail_to(fmt::format("read {} bytes at offset {}", rest.size(), at), got == 0 ? EIO : errno);
  }
}

void AtomicFile::make_nameless() {
  ::unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::commit() {
  if (descriptor_ < 0 || temporary_.empty())
    fail(ErrorKind::internal, path_.string(), "committed twice, or nameless");
  while (calls_.fsync(descriptor_) != 0)
    if (errno != EINTR) fail_to(fmt::format("bring {} bytes to the disk", size_), errno);
  if (calls_.rename(temporary_.c_str(), path_.c_str()) != 0) fail_to("replace the file", errno);
  temporary_.clear();
  ::close(std::exchange(descriptor_, -1));
  sync_folder();
}

/// The new name itself survives a power failure only after this.
void AtomicFile::sync_folder() const {
  const std::filesystem::path folder = folder_of(path_);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_to("open the folder of the file", errno);
  int reason = 0;
  do {
    reason = calls_.fsync(descriptor) == 0 ? 0 : errno;
  } while (reason == EINTR);
  ::close(descriptor);
  const bool folders_cannot_be_synced = reason == EINVAL;  // some network file systems
  if (reason != 0 && !folders_cannot_be_synced) fail_to("bring the folder to the disk", reason);
}

void AtomicFile::fail_to(const std::string& action, int reason) const {
  fail(ErrorKind::io, path_.string(), "cannot {}: {}; {}", action,
       std::generic_category().message(reason), remedy(reason));
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void remove_stale_temporaries(const std::filesystem::path& folder) {
  std::error_code ignored;  // a folder that cannot be listed has nothing that we could remove
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (!target_of(entry.path()).empty()) remove_if_stale(entry.path());
}

void remove_stale_temporaries_of(const std::filesystem::path& file) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder_of(file), ignored))
    if (target_of(entry.path()) == file.filename()) remove_if_stale(entry.path());
}

}  // namespace metatape
