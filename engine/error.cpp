#include "engine/error.h"

#include <string_view>

#include "engine/printable.h"

namespace metatape {
namespace {

constexpr std::size_t kLongestMessage = 4000;  // bytes: a message may repeat a hostile file's names

/// Path below the project root, so that messages do not carry the build machine's folders.
std::string_view short_path(std::string_view path) {
  for (const char* folder : {"/engine/", "/kernels/", "/models/", "/meta/", "/tools/", "/tests/"}) {
    const size_t at = path.rfind(folder);
    if (at != std::string_view::npos) return path.substr(at + 1);
  }
  return path.substr(path.rfind('/') + 1);
}

bool names_a_source_line(ErrorKind kind) {
  return kind == ErrorKind::shape || kind == ErrorKind::dtype || kind == ErrorKind::internal;
}

std::string compose(ErrorKind kind, const std::string& subject, const std::string& message,
                    const Loc& where) {
  std::string text = fmt::format("[{}] {}", subject, message);
  if (names_a_source_line(kind)) text += fmt::format(" (recorded at {})", source_line(where));
  return shortened(text, kLongestMessage);
}

}  // namespace

std::string source_line(const Loc& where) {
  return fmt::format("{}:{}", short_path(where.file_name()), where.line());
}

const char* error_kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::shape:
      return "shape";
    case ErrorKind::dtype:
      return "dtype";
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::io:
      return "io";
    case ErrorKind::numerical:
      return "numerical";
    case ErrorKind::device:
      return "device";
    case ErrorKind::memory:
      return "memory";
    case ErrorKind::internal:
      return "internal";
  }
  return "unknown";
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::shape:
    case ErrorKind::dtype:
    case ErrorKind::usage:
      return 2;
    case ErrorKind::io:
      return 3;
    case ErrorKind::numerical:
      return 4;
    case ErrorKind::device:
      return 5;
    case ErrorKind::memory:
      return 6;
    case ErrorKind::internal:
      return 1;
  }
  return 1;
}

Error::Error(ErrorKind kind, std::string subject, const std::string& message, Loc where)
    : std::runtime_error(compose(kind, subject, message, where)),
      kind(kind),
      subject(std::move(subject)),
      where(where) {}

}  // namespace metatape
