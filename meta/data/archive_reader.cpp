#include "meta/data/archive_reader.h"

#include <archive_entry.h>

#include <string_view>

#include "engine/error.h"

namespace metatape {

namespace {

constexpr std::int64_t kMostEntries = 2'000'000;
constexpr std::size_t kLongestName = 4096;
constexpr std::uint64_t kLargestRatio = 200;
constexpr std::uint64_t kRatioFloor = std::uint64_t{1} << 20;  // tiny archives are all headers
constexpr std::size_t kBlockBytes = 64 * 1024;

std::string tidy_name(std::string name) {
  while (name.starts_with("./")) name.erase(0, 2);
  while (name.ends_with('/')) name.pop_back();
  return name;
}

}  // namespace

void ArchiveReader::Close::operator()(archive* a) const { archive_read_free(a); }

ArchiveReader::ArchiveReader(const std::filesystem::path& path)
    : subject_(path.string()), file_(path), block_(kBlockBytes), archive_(archive_read_new()) {
  archive* a = archive_.get();
  // The zip reader that needs the table of contents at the end: without it a cut file looks whole.
  archive_read_support_format_zip_seekable(a);
  archive_read_support_format_tar(a);
  archive_read_support_filter_gzip(a);
  archive_read_support_filter_bzip2(a);
  archive_read_support_filter_xz(a);
  archive_read_support_filter_zstd(a);
  const std::span<const std::byte> bytes = file_.bytes();
  if (archive_read_open_memory(a, bytes.data(), bytes.size()) != ARCHIVE_OK) refuse_format();
}

void ArchiveReader::refuse_format() const {
  const std::span<const std::byte> bytes = file_.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("PK\x03\x04"))
    fail(ErrorKind::io, subject_,
         "is a truncated zip: {} bytes found, and the table of contents that ends every zip is "
         "missing; copy or download it again",
         text.size());
  fail(ErrorKind::io, subject_, "is not a zip or tar archive ({}); give one, or a folder",
       text.empty() ? "it is empty" : reason());
}

std::string ArchiveReader::reason() const {
  const char* text = archive_error_string(archive_.get());
  return text ? text : "unknown reason";
}

bool ArchiveReader::next() {
  if (entry_is_open_) skip_rest();
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF && entries_ > 0) return false;
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) {
    if (entries_ == 0) refuse_format();
    fail(ErrorKind::io, subject_, "is damaged after entry '{}': {}; copy or download it again",
         name_, reason());
  }
  if (++entries_ > kMostEntries)
    fail(ErrorKind::io, subject_, "has more than {} entries; split it", kMostEntries);

  const char* name = archive_entry_pathname_utf8(entry);
  if (!name) name = archive_entry_pathname(entry);
  if (!name)
    fail(ErrorKind::io, subject_, "entry {} has a name that is not UTF-8; rename it", entries_);
  name_ = tidy_name(name);
  if (name_.size() > kLongestName)
    fail(ErrorKind::io, subject_, "entry {} has a name of {} bytes, at most {} are allowed",
         entries_, name_.size(), kLongestName);
  refuse_bomb(std::uint64_t(archive_filter_bytes(archive_.get(), 0)));
  is_folder_ = archive_entry_filetype(entry) == AE_IFDIR;
  if (archive_entry_is_encrypted(entry))
    fail(ErrorKind::io, subject_, "entry '{}' is encrypted; unpack it and give the folder", name_);
  entry_is_open_ = !is_folder_;
  return true;
}

std::vector<std::byte> ArchiveReader::read() {
  std::vector<std::byte> content;
  for (bool ended = false; !ended;) take_block(&content, ended);
  return content;
}

void ArchiveReader::refuse_bomb(std::uint64_t unpacked_bytes) const {
  if (unpacked_bytes > kLargestRatio * file_.bytes().size() + kRatioFloor)
    fail(ErrorKind::io, subject_,
         "unpacks to more than {} times its {} bytes (at entry '{}'): refused as a zip bomb; "
         "unpack it and give the folder if it is genuine",
         kLargestRatio, file_.bytes().size(), name_);
}

void ArchiveReader::skip_rest() {
  // Not archive_read_data_skip(): it would unpack a bomb without counting.
  for (bool ended = false; !ended;) take_block(nullptr, ended);
}

void ArchiveReader::take_block(std::vector<std::byte>* content, bool& ended) {
  const la_ssize_t got = archive_read_data(archive_.get(), block_.data(), block_.size());
  if (got < 0)
    fail(ErrorKind::io, subject_, "entry '{}' is damaged: {}; copy or download it again", name_,
         reason());
  ended = got == 0;
  if (ended) entry_is_open_ = false;
  unpacked_bytes_ += std::uint64_t(got);
  refuse_bomb(unpacked_bytes_);
  if (!content) return;
  if (content->size() + std::size_t(got) > kLargestInputFile)
    fail(ErrorKind::io, subject_, "entry '{}' has more than {} bytes", name_, kLargestInputFile);
  content->insert(content->end(), block_.begin(), block_.begin() + got);
}

}  // namespace metatape
