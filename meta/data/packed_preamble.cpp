#include "meta/data/packed_preamble.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "engine/error.h"

namespace metatape {

namespace {

constexpr std::string_view kMagic = "\x89MTD\r\n\x1a\n";
constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kVersionAt = 8, kZeroAt = 12, kHeaderLengthAt = 16, kFileLengthAt = 24,
                      kChecksumAt = 32;
constexpr std::size_t kChecksumDigits = 64;

void store(std::byte* at, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) at[i] = std::byte(value >> (8 * i));
}

std::uint64_t load(std::span<const std::byte> file, std::size_t at, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= std::uint64_t(file[at + std::size_t(i)]) << (8 * i);
  return value;
}

bool starts_with(std::span<const std::byte> file, std::string_view text) {
  const std::size_t n = std::min(file.size(), text.size());
  return n > 0 && std::memcmp(file.data(), text.data(), n) == 0;
}

}  // namespace

std::uint64_t PackedPreamble::payload_offset() const {
  const std::uint64_t end = kPreambleBytes + header_length;
  return (end + kPayloadAlignment - 1) / kPayloadAlignment * kPayloadAlignment;
}

std::array<std::byte, kPreambleBytes> encode_preamble(const PackedPreamble& preamble) {
  std::array<std::byte, kPreambleBytes> bytes{};
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  store(&bytes[kVersionAt], kVersion, 4);
  store(&bytes[kHeaderLengthAt], preamble.header_length, 8);
  store(&bytes[kFileLengthAt], preamble.file_length, 8);
  std::memcpy(&bytes[kChecksumAt], preamble.header_sha256.data(), kChecksumDigits);
  return bytes;
}

PackedPreamble decode_preamble(std::span<const std::byte> file, const std::string& subject) {
  if (!starts_with(file, kMagic))
    fail(ErrorKind::io, subject,
         "is not a packed data set{}; make one with metatape pack omniglot, images or glyphs",
         file.empty()                      ? " (it is empty)"
         : starts_with(file, "PK\x03\x04") ? " (it is a zip archive)"
                                           : "");
  if (file.size() < kPreambleBytes)
    fail(ErrorKind::io, subject,
         "is truncated: {} bytes found, at least {} expected; copy it again or pack it again",
         file.size(), kPreambleBytes);
  const std::uint64_t version = load(file, kVersionAt, 4);
  if (version > kVersion)
    fail(ErrorKind::io, subject,
         "has format version {}, this build reads version {}; use a newer metatape or pack the "
         "set again with this one",
         version, kVersion);
  if (version == 0 || load(file, kZeroAt, 4) != 0)
    fail(ErrorKind::io, subject, "has a damaged preamble; copy it again or pack it again");

  PackedPreamble preamble;
  preamble.header_length = load(file, kHeaderLengthAt, 8);
  preamble.file_length = load(file, kFileLengthAt, 8);
  preamble.header_sha256.assign(reinterpret_cast<const char*>(&file[kChecksumAt]), kChecksumDigits);
  if (preamble.header_length > kLongestHeader)
    fail(ErrorKind::io, subject, "claims a header of {} bytes, at most {} are allowed",
         preamble.header_length, kLongestHeader);
  if (preamble.file_length > file.size())
    fail(ErrorKind::io, subject,
         "is truncated: {} bytes found, {} expected; copy it again or pack it again", file.size(),
         preamble.file_length);
  if (preamble.file_length < file.size())
    fail(ErrorKind::io, subject,
         "has {} bytes, {} expected: something was appended; copy it again or pack it again",
         file.size(), preamble.file_length);
  if (preamble.payload_offset() > file.size())
    fail(
        ErrorKind::io, subject,
        "has {} bytes, but its header of {} bytes alone ends at {}; copy it again or pack it again",
        file.size(), preamble.header_length, preamble.payload_offset());
  return preamble;
}

}  // namespace metatape
