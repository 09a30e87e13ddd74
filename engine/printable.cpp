#include "engine/printable.h"

namespace metatape {
namespace {

unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

bool continues_character(std::string_view text, std::size_t i) {
  return (byte_at(text, i) & 0xc0) == 0x80;
}

/// Bytes of the UTF-8 character at the front; 0 if there is none.
std::size_t character_bytes(std::string_view text) {
  const unsigned char first = byte_at(text, 0);
  if (first < 0x80) return 1;
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i)
    if (!continues_character(text, i)) return 0;
  const unsigned char second = byte_at(text, 1);
  // Longer than need be, surrogates, beyond the last character.
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
    return 0;
  return bytes;
}

/// U+0000 to U+001F, U+007F and U+0080 to U+009F.
bool is_control(std::string_view character) {
  const unsigned char first = byte_at(character, 0);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && byte_at(character, 1) < 0xa0;
}

std::string printable_but(std::string_view text, std::string_view kept) {
  std::string result;
  while (!text.empty()) {
    const std::size_t bytes = character_bytes(text);
    const std::string_view character = text.substr(0, bytes ? bytes : 1);
    const bool is_kept = kept.find(character[0]) != kept.npos;
    if (bytes && (is_kept || !is_control(character)))
      result += character;
    else
      result += '?';
    text.remove_prefix(character.size());
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) { return printable_but(text, ""); }

std::string printable_lines(std::string_view text) { return printable_but(text, "\n\t"); }

std::string shortened(std::string_view text, std::size_t most) {
  constexpr std::string_view kCut = "...";
  if (text.size() <= most || most < kCut.size()) return std::string(text.substr(0, most));
  std::size_t begin_of_end = text.size() - (most - kCut.size()) / 4;
  std::size_t end_of_begin = begin_of_end - (text.size() - most) - kCut.size();
  while (end_of_begin > 0 && continues_character(text, end_of_begin)) --end_of_begin;
  while (begin_of_end < text.size() && continues_character(text, begin_of_end)) ++begin_of_end;
  return std::string(text.substr(0, end_of_begin)).append(kCut).append(text.substr(begin_of_end));
}

}  // namespace metatape
