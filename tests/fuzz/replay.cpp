// main() of a target without libFuzzer: runs each file, or each file of a folder, once. What a
// fuzzer found is so tried in every build, with whatever sanitizers that has.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

std::vector<std::filesystem::path> files_of(int count, char** arguments) {
  std::vector<std::filesystem::path> files;
  for (int k = 1; k < count; ++k) {
    if (!std::filesystem::is_directory(arguments[k])) {
      files.emplace_back(arguments[k]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(arguments[k]))
      files.push_back(entry.path());
  }
  return files;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::filesystem::path> files = files_of(count, arguments);
  for (const std::filesystem::path& path : files) {
    std::ifstream file(path, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(file), {}};
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(content.data()), content.size());
    // And cut off, wherever that is.
    for (std::size_t size = 0; size < content.size(); size += 1 + content.size() / 64)
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(content.data()), size);
  }
  std::printf("%zu files\n", files.size());
  return files.empty() ? 1 : 0;
}
