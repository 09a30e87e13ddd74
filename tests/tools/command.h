#pragma once

// The metatape command as its users meet it: arguments in, text, files and an exit code out.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace metatape {

using Arguments = std::vector<std::string>;

/// The address sanitizer takes memory of its own, and keeps what is freed.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

struct CommandResult {
  int exit_code = -1;  ///< minus the signal, if one ended it
  std::string output, errors;
  std::int64_t peak_bytes = 0;  ///< largest resident size
  /// The object on the last line of standard output; a failure of the test if there is none.
  nlohmann::json json() const;
};

struct CommandOptions {
  std::map<std::string, std::string> environment;  ///< in addition to ours
  std::int64_t file_size_limit = 0;  ///< bytes; 0: none. Writes beyond it fail, as on a full disk.
  std::string program = MT_COMMAND;  ///< or what starts the command
};

/// One process of the command. It is killed if nobody waits for it.
class Process {
 public:
  Process(const std::filesystem::path& folder, const Arguments&, const CommandOptions&);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) const;
  CommandResult wait();

 private:
  std::filesystem::path output_, errors_;
  pid_t process_ = -1;
};

/// A folder to run the command in: paths among its arguments are relative to it.
class Workplace {
 public:
  CommandResult run(const Arguments&, const CommandOptions& = {}) const;
  /// run() with --json; the test fails if the exit code is not 0.
  nlohmann::json result_of(Arguments) const;
  Process start(const Arguments& arguments) const { return {path(""), arguments, {}}; }

  std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  std::string read(const std::string& name) const { return read_text(path(name)); }
  /// Names in a folder, sorted.
  std::vector<std::string> files_in(const std::string& name) const;

 private:
  TemporaryFolder folder_;
};

/// Fails the test unless the command ended with that code, its message holds the fragment, and
/// with --json the last line holds the same message.
void expect_failure(const Workplace&, const Arguments&, int exit_code, const std::string& fragment,
                    const CommandOptions& = {});

Arguments operator+(Arguments a, const Arguments& b);

/// Every key=value as --set key=value.
Arguments settings(const std::vector<std::string>& assignments);

/// Writes a packed set of noise, 12 x 12: 8 classes for training, 6 for validation, 7 for test, of
/// 6 images each. Of three channels the second is 51 everywhere and the third 102.
void write_small_set(const std::filesystem::path&, std::int64_t channels = 1);

}  // namespace metatape
