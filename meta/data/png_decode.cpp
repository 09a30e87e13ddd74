#include "meta/data/png_decode.h"

#include <png.h>

#include <cstring>

#include "engine/error.h"

// libpng reports errors by longjmp. Every function that it may leave that way holds no object with
// a destructor, and none of ours throws from inside libpng.

namespace metatape {

namespace {

struct PngReader {
  explicit PngReader(std::span<const std::byte> content);
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  std::span<const std::byte> file;
  std::size_t at = 0;
  char reason[128] = "out of memory";
  png_structp png = nullptr;
  png_infop info = nullptr;
};

void on_error(png_structp png, png_const_charp text) {
  auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
  std::strncpy(reader->reason, text, sizeof reader->reason - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, std::size_t count) {
  auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
  if (count > reader->file.size() - reader->at) png_error(png, "the file is truncated");
  std::memcpy(to, reader->file.data() + reader->at, count);
  reader->at += count;
}

PngReader::PngReader(std::span<const std::byte> content) : file(content) {
  constexpr std::size_t kLargestChunk = 8 << 20;
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
  if (!png) return;
  info = png_create_info_struct(png);
  png_set_read_fn(png, this, on_read);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // our own limit has a better message
  png_set_chunk_malloc_max(png, kLargestChunk);
  // Only pixels, palette and transparency are wanted. libpng would keep a thousand compressed texts
  // of 8 MB each; -1 stands for every other chunk that it knows.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
}

bool read_info(PngReader& reader) {
  if (!reader.png || !reader.info) return false;
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_info(reader.png, reader.info);
  return true;
}

bool set_up_transforms(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_expand(reader.png);  // palette, fewer than 8 bits, and transparent colour
  png_set_scale_16(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_pixels(PngReader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_image(reader.png, rows);
  png_read_end(reader.png, nullptr);
  return true;
}

/// Lays the last channel, opacity, over white and drops it.
void flatten_over_white(Image& image) {
  const auto from = std::size_t(image.channels), to = from - 1;
  const std::size_t count = image.pixels.size() / from;
  for (std::size_t p = 0; p < count; ++p) {
    const int opacity = image.pixels[p * from + to];
    for (std::size_t c = 0; c < to; ++c) {
      const int value = image.pixels[p * from + c];
      image.pixels[p * to + c] =
          std::uint8_t((value * opacity + 255 * (255 - opacity) + 127) / 255);
    }
  }
  image.pixels.resize(count * to);
  image.channels = std::int64_t(to);
}

}  // namespace

Image decode_png(std::span<const std::byte> file, const std::string& subject) {
  PngReader reader(file);
  const auto refuse = [&] {
    fail(ErrorKind::io, subject, "is a damaged PNG: {}; restore or remove it", reader.reason);
  };
  if (!read_info(reader)) refuse();
  check_image_extents(png_get_image_height(reader.png, reader.info),
                      png_get_image_width(reader.png, reader.info), 4, subject);
  if (!set_up_transforms(reader)) refuse();

  Image image{.height = png_get_image_height(reader.png, reader.info),
              .width = png_get_image_width(reader.png, reader.info),
              .channels = png_get_channels(reader.png, reader.info)};
  const std::size_t row_bytes = std::size_t(image.width * image.channels);
  image.pixels.resize(std::size_t(image.height) * row_bytes);
  std::vector<png_bytep> rows(std::size_t(image.height));
  for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = &image.pixels[y * row_bytes];
  if (!read_pixels(reader, rows.data())) refuse();
  if (image.channels == 2 || image.channels == 4) flatten_over_white(image);
  return image;
}

}  // namespace metatape
