#include "tools/metatape/lost_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <string_view>

#include "engine/error.h"

// Runs inside a signal: no memory from the heap, no exceptions, only calls that signal-safety(7)
// names.

namespace metatape {
namespace {

class Reader {
 public:
  explicit Reader(const char* path) : file_(::open(path, O_RDONLY | O_CLOEXEC)) {}

  /// The next line as far as it fits; false after the last.
  bool next(std::string_view& line) {
    std::size_t size = 0;
    char c = 0;
    while (get(c) && c != '\n')
      if (size < sizeof line_) line_[size++] = c;
    line = {line_, size};
    return c == '\n';
  }

 private:
  bool get(char& c) {
    if (at_ == end_) {
      const ssize_t got = ::read(file_, buffer_, sizeof buffer_);
      if (got <= 0) return false;
      at_ = 0;
      end_ = std::size_t(got);
    }
    c = buffer_[at_++];
    return true;
  }

  int file_;
  std::size_t at_ = 0, end_ = 0;
  char buffer_[4096], line_[4096];
};

/// The path in a line of /proc/self/maps, "7f00-7f20 r--p 00000000 08:01 42   /data/set.mtd", if
/// the address lies in that mapping; nothing for a driver's memory, which is a device.
std::string_view path_mapped_at(std::uintptr_t address, std::string_view line) {
  std::uintptr_t begin = 0, end = 0;
  const char* const stop = line.data() + line.size();
  const std::from_chars_result first = std::from_chars(line.data(), stop, begin, 16);
  if (first.ptr == stop || std::from_chars(first.ptr + 1, stop, end, 16).ec != std::errc{})
    return {};
  const std::size_t at = line.find('/');
  if (address < begin || address >= end || at == line.npos) return {};
  const std::string_view path = line.substr(at);
  return path.starts_with("/dev/") && !path.starts_with("/dev/shm/") ? "" : path;
}

void say(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(std::size_t(written));
  }
}

void on_bus_error(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  Reader maps("/proc/self/maps");
  for (std::string_view line; maps.next(line);) {
    const std::string_view path = path_mapped_at(address, line);
    if (path.empty()) continue;
    say("metatape: io error: [");
    say(path);
    say("] became shorter or unreadable while it was in use; restore it, then run the command "
        "again, a training run with --resume\n");
    ::_exit(exit_code(ErrorKind::io));
  }
  ::signal(signal, SIG_DFL);  // something else: it comes again as the command returns to it
}

}  // namespace

void name_lost_files() {
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace metatape
