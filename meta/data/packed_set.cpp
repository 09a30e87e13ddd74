#include "meta/data/packed_set.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/io/sha256.h"
#include "meta/data/packed_preamble.h"

namespace metatape {

namespace {

void check_sum(std::span<const std::byte> part, const std::string& expected, const char* name,
               const std::string& subject) {
  const std::string found = sha256_hex(part);
  if (found != expected)
    fail(ErrorKind::io, subject,
         "the {} is damaged: SHA-256 {} found, {} expected; copy the file again or pack it again",
         name, found, expected);
}

}  // namespace

PackedSet PackedSet::open(const std::filesystem::path& path) {
  const std::string subject = path.string();
  PackedSet set;
  set.file_.emplace(path);
  const std::span<const std::byte> bytes = set.file_->bytes();
  const PackedPreamble preamble = decode_preamble(bytes, subject);

  const auto header = bytes.subspan(kPreambleBytes, preamble.header_length);
  check_sum(header, preamble.header_sha256, "header", subject);
  set.header_ =
      header_from_json({reinterpret_cast<const char*>(header.data()), header.size()}, subject);

  // At most 2^31 images of 2^28 bytes: no overflow.
  const auto payload = bytes.subspan(preamble.payload_offset());
  const auto expected = std::uint64_t(set.header_.image_count() * set.header_.image_bytes());
  if (payload.size() != expected)
    fail(ErrorKind::io, subject, "has {} bytes of images, its header promises {} x {} = {}",
         payload.size(), set.header_.image_count(), set.header_.image_bytes(), expected);
  const auto padding =
      bytes.first(preamble.payload_offset()).subspan(kPreambleBytes + header.size());
  if (std::ranges::any_of(padding, [](std::byte b) { return b != std::byte{0}; }))
    fail(ErrorKind::io, subject, "the padding after the header is damaged; copy the file again");
  check_sum(payload, set.header_.payload_sha256, "image payload", subject);

  set.images_ = {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()};
  return set;
}

PackedSet PackedSet::in_memory(PackedHeader header, std::vector<std::uint8_t> images) {
  check_header(header, header.kind);
  if (std::int64_t(images.size()) != header.image_count() * header.image_bytes())
    fail(ErrorKind::internal, header.kind, "{} bytes of images given, the header promises {} x {}",
         images.size(), header.image_count(), header.image_bytes());
  PackedSet set;
  set.header_ = std::move(header);
  set.memory_ = std::move(images);
  set.images_ = set.memory_;
  set.header_.payload_sha256 = sha256_hex(std::as_bytes(set.images_));
  return set;
}

std::span<const std::uint8_t> PackedSet::image(std::int64_t c, std::int64_t i) const {
  const auto bytes = std::size_t(header_.image_bytes());
  return images_.subspan(std::size_t(header_.classes[std::size_t(c)].first + i) * bytes, bytes);
}

std::span<const std::int32_t> PackedSet::split(std::string_view scheme,
                                               std::string_view part) const {
  if (scheme.empty()) scheme = default_scheme();
  for (const PackedSplit& split : header_.splits) {
    if (split.name != scheme) continue;
    if (part == "train") return split.train;
    if (part == "validation" || part == "val") return split.validation;
    if (part == "test") return split.test;
    fail(ErrorKind::usage, "split", "there is no part '{}'; there are train, validation and test",
         part);
  }
  std::string names;
  for (const PackedSplit& split : header_.splits) names += (names.empty() ? "" : ", ") + split.name;
  fail(ErrorKind::usage, "split", "this set has no split '{}'; it has: {}", scheme, names);
}

}  // namespace metatape
