#pragma once

#include <archive.h>

#include <cstdint>
#include <filesystem>
#include <memory>

#include "engine/io/mapped_file.h"
#include "meta/data/input_files.h"

namespace metatape {

/// Entries of a zip or tar by libarchive, in the order of the archive. Limits against hostile
/// archives: 2 million entries, names of 4096 bytes, 256 MiB per file, and at most 200 times the
/// archive's own size (plus 1 MiB) unpacked in all, names included.
class ArchiveReader final : public InputFiles {
 public:
  explicit ArchiveReader(const std::filesystem::path&);

  bool next() override;
  std::vector<std::byte> read() override;

 private:
  struct Close {
    void operator()(archive*) const;
  };

  [[noreturn]] void refuse_format() const;
  void refuse_bomb(std::uint64_t unpacked_bytes) const;
  void take_block(std::vector<std::byte>* content, bool& ended);
  void skip_rest();
  std::string reason() const;

  std::string subject_;
  MappedFile file_;
  std::uint64_t unpacked_bytes_ = 0;
  std::int64_t entries_ = 0;
  bool entry_is_open_ = false;
  std::vector<std::byte> block_;
  std::unique_ptr<archive, Close> archive_;
};

}  // namespace metatape
