#include "meta/data/image_decode.h"

#include <algorithm>
#include <cctype>

#include "engine/error.h"
#include "meta/data/jpeg_decode.h"
#include "meta/data/png_decode.h"

namespace metatape {

Image decode_image(std::span<const std::byte> file, const std::string& subject) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with("\x89PNG")) return decode_png(file, subject);
  if (text.starts_with("\xff\xd8")) return decode_jpeg(file, subject);
  if (text.empty()) fail(ErrorKind::io, subject, "the image is empty; restore or remove it");
  fail(ErrorKind::io, subject, "is neither PNG nor JPEG; convert it to one of them or remove it");
}

bool is_hidden(std::string_view path) {
  return path.starts_with('.') || path.find("/.") != path.npos || path.starts_with("__MACOSX");
}

bool names_an_image(std::string_view path) {
  std::string lower(path);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return !is_hidden(path) &&
         (lower.ends_with(".png") || lower.ends_with(".jpg") || lower.ends_with(".jpeg"));
}

}  // namespace metatape
