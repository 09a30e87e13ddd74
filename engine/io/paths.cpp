#include "engine/io/paths.h"

#include <system_error>

#include "engine/error.h"

namespace metatape {

namespace fs = std::filesystem;

namespace {

fs::file_status status_of(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::status_known(status))
    fail(ErrorKind::io, path.string(),
         "cannot be looked at: {}; check the path and its permissions", error.message());
  return status;
}

}  // namespace

bool is_there(const fs::path& path) { return fs::exists(status_of(path)); }
bool is_folder(const fs::path& path) { return fs::is_directory(status_of(path)); }
bool is_file(const fs::path& path) { return fs::is_regular_file(status_of(path)); }

}  // namespace metatape
