#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace metatape {

/// The first 96 bytes of a packed set, little-endian:
///   0   magic, 8 bytes: 0x89 "MTD" CR LF 0x1a LF (a text-mode copy damages it visibly)
///   8   version, u32
///   12  zero, u32
///   16  length of the JSON header in bytes, u64
///   24  length of the whole file in bytes, u64
///   32  SHA-256 of the JSON header, 64 hexadecimal digits
/// The header follows, then zeros up to a multiple of 64, then the images: u8, row-major [H, W, C],
/// class after class, up to the end of the file.
struct PackedPreamble {
  std::uint64_t header_length = 0;
  std::uint64_t file_length = 0;
  std::string header_sha256;

  /// Offset of the first image.
  std::uint64_t payload_offset() const;
};

inline constexpr std::size_t kPreambleBytes = 96;
inline constexpr std::uint64_t kPayloadAlignment = 64;
inline constexpr std::uint64_t kLongestHeader = std::uint64_t{16} << 20;

std::array<std::byte, kPreambleBytes> encode_preamble(const PackedPreamble&);

/// Reads and checks the preamble of `file`, the whole content. Errors: io, naming `subject`: not a
/// packed set, newer version, header too long, truncated or overlong file.
PackedPreamble decode_preamble(std::span<const std::byte> file, const std::string& subject);

}  // namespace metatape
