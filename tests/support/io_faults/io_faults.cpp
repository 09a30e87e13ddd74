// A library that tests preload into the command (LD_PRELOAD): it makes the operating system fail in
// a chosen call, or ends the process there as a power failure would.
//
// MT_IO_FAULT=<call>:<path>:<n>:<action>
//   call     open (of a file that is created), pwrite, fsync, rename, or any of them
//   path     what the path of the file or folder holds, a folder's with / at its end; with $ at its
//            end, what the path ends with
//   n        the how many-th such call; with + at its end, that one and all later ones
//   action   ENOSPC, EDQUOT, EIO, EACCES, EROFS, EINTR: the call fails with that reason
//            half: a write takes half of its bytes
//            kill: SIGKILL before the call; of a write, when half of it is done

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <map>
#include <string>

namespace {

struct Fault {
  std::string call, path, action;
  long first = 0;
  bool stays = false, whole_end = false;

  explicit Fault(const char* text) {
    if (!text) return;
    std::string rest = text;
    auto next = [&] {
      const std::size_t end = rest.find(':');
      std::string part = rest.substr(0, end);
      rest = end == std::string::npos ? "" : rest.substr(end + 1);
      return part;
    };
    call = next();
    path = next();
    const std::string number = next();
    action = next();
    first = std::atol(number.c_str());
    stays = number.back() == '+';
    whole_end = path.back() == '$';
    if (whole_end) path.pop_back();
  }

  bool concerns(const char* name, const std::string& file) const {
    if (action.empty() || (call != "any" && call != name)) return false;
    return whole_end ? file.ends_with(path) : (file + "/").find(path) != std::string::npos;
  }
};

enum class Outcome { as_usual, fails, half };

/// Also sets errno, or does not return.
Outcome outcome(const char* name, const std::string& file) {
  static const Fault fault(std::getenv("MT_IO_FAULT"));
  static long calls = 0;
  static const std::map<std::string, int> reasons = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT},
                                                     {"EIO", EIO},       {"EACCES", EACCES},
                                                     {"EROFS", EROFS},   {"EINTR", EINTR}};
  if (!fault.concerns(name, file)) return Outcome::as_usual;
  ++calls;
  if (calls != fault.first && !(fault.stays && calls > fault.first)) return Outcome::as_usual;
  if (fault.action == "half") return Outcome::half;
  if (fault.action == "kill") {
    if (name == std::string("pwrite")) return Outcome::half;
    ::kill(::getpid(), SIGKILL);
  }
  errno = reasons.at(fault.action);
  return Outcome::fails;
}

bool kills() {
  const char* text = std::getenv("MT_IO_FAULT");
  return text && std::string(text).ends_with("kill");
}

std::string path_of(int descriptor) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t length = ::readlink(link.c_str(), path, sizeof path);
  return {path, length < 0 ? 0 : std::size_t(length)};
}

template <class Function>
Function* next_one(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
    if (outcome("open", path) == Outcome::fails) return -1;
  }
  static auto* const real = next_one<int(const char*, int, ...)>("open");
  return real(path, flags, mode);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t at) {
  static auto* const real = next_one<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  const Outcome result = outcome("pwrite", path_of(descriptor));
  if (result == Outcome::fails) return -1;
  if (result == Outcome::as_usual) return real(descriptor, bytes, count, at);
  const ssize_t written = real(descriptor, bytes, count > 1 ? count / 2 : count, at);
  if (kills()) ::kill(::getpid(), SIGKILL);
  return written;
}

int fsync(int descriptor) {
  static auto* const real = next_one<int(int)>("fsync");
  return outcome("fsync", path_of(descriptor)) == Outcome::fails ? -1 : real(descriptor);
}

int rename(const char* from, const char* to) noexcept {
  static auto* const real = next_one<int(const char*, const char*)>("rename");
  return outcome("rename", to) == Outcome::fails ? -1 : real(from, to);
}

}  // extern "C"
