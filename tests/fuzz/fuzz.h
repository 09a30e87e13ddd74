#pragma once

// What the fuzz targets share. A target is one file; libFuzzer, or replay.cpp where there is none,
// calls its LLVMFuzzerTestOneInput with one input after the other.

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace metatape {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// A file in memory, for parsers that take a path. It keeps its path when its content changes.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("fuzz", 0)) {
    if (descriptor_ < 0) std::abort();
  }
  explicit MemoryFile(std::string_view content) : MemoryFile() { set(content); }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void set(std::string_view content) {
    const bool empty = ::ftruncate(descriptor_, 0) == 0;
    if (!empty ||
        ::pwrite(descriptor_, content.data(), content.size(), 0) != ssize_t(content.size()))
      std::abort();
  }
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// What was read ends up here, so that no compiler leaves the reading out.
inline volatile unsigned kept;

/// A parser takes the input or refuses it with an io or usage error whose message is short enough
/// to be read; everything else ends the process.
template <class Action>
bool accepted(Action&& action) {
  constexpr std::size_t kLongestMessage = 8000;
  try {
    action();
    return true;
  } catch (const Error& error) {
    const std::size_t length = std::string_view(error.what()).size();
    if ((error.kind == ErrorKind::io || error.kind == ErrorKind::usage) && length < kLongestMessage)
      return false;
    std::fprintf(stderr, "a message of %zu bytes: %.2000s\n", length, error.what());
    std::abort();
  }
}

}  // namespace metatape
