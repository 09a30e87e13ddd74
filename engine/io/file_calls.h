#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

namespace metatape {

/// What AtomicFile asks of the operating system once its file is open. Production code uses the
/// defaults; a test puts in a call that fails, is interrupted, or writes only a part.
struct FileCalls {
  ssize_t (*pwrite)(int, const void*, size_t, off_t) = ::pwrite;
  ssize_t (*pread)(int, void*, size_t, off_t) = ::pread;
  int (*fsync)(int) = ::fsync;
  int (*rename)(const char*, const char*) = ::rename;
};

inline constexpr FileCalls kSystemFileCalls;

}  // namespace metatape
