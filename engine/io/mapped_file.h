#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace metatape {

/// A file mapped read-only for as long as the object lives. Errors: io, with the path and reason.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace metatape
