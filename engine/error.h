#pragma once

#include <fmt/format.h>

#include <source_location>
#include <stdexcept>
#include <string>

namespace metatape {

using Loc = std::source_location;

/// Who has to act: the caller (shape, dtype, usage), the owner of a file (io), of the numbers
/// (numerical), of the machine (device, memory), or we (internal).
enum class ErrorKind { shape, dtype, usage, io, numerical, device, memory, internal };

const char* error_kind_name(ErrorKind);

/// The exit code of the command for each kind: usage/shape/dtype 2, io 3, numerical 4, device 5,
/// memory 6, internal 1.
int exit_code(ErrorKind);

/// The one exception of the project. `what()` names the thing in brackets, what was found, what was
/// expected, and the remedy; where an instruction was being recorded, also the source line. Of more
/// than 4000 bytes it keeps the beginning and the end.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string subject, const std::string& message,
        Loc where = Loc::current());

  ErrorKind kind;
  std::string subject;   ///< op, file, setting: what the message is about
  int instruction = -1;  ///< position on the tape, if the error belongs to one
  Loc where;
};

/// `engine/ops/conv2d.cpp:12`: the line, below the project's root.
std::string source_line(const Loc&);

/// fail(ErrorKind::shape, "conv2d", "x has {} channels, w expects {}", 3, 1)
template <class... A>
[[noreturn]] void fail(ErrorKind kind, std::string subject, fmt::format_string<A...> text,
                       A&&... args) {
  throw Error(kind, std::move(subject), fmt::format(text, std::forward<A>(args)...));
}

/// The same, blaming the user's source line instead of ours.
template <class... A>
[[noreturn]] void fail_at(Loc where, ErrorKind kind, std::string subject,
                          fmt::format_string<A...> text, A&&... args) {
  throw Error(kind, std::move(subject), fmt::format(text, std::forward<A>(args)...), where);
}

}  // namespace metatape
