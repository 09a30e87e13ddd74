#pragma once

// Small PNG, JPEG, zip and tar files for the tests of the importers.

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <png.h>

#include <cstdio>
// jpeglib.h needs stdio first.
#include <jpeglib.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "meta/data/image.h"

namespace metatape {

/// Path inside the archive -> content. A path that ends in '/' is a folder.
using FileTree = std::map<std::string, std::string>;

inline std::span<const std::byte> as_file(const std::string& content) {
  return std::as_bytes(std::span(content));
}

inline Image uniform_image(std::int64_t height, std::int64_t width, std::int64_t channels,
                           std::uint8_t value) {
  return {.height = height,
          .width = width,
          .channels = channels,
          .pixels = std::vector<std::uint8_t>(std::size_t(height * width * channels), value)};
}

/// Channels 1 (grey), 2 (grey + alpha), 3 (RGB) or 4 (RGBA).
inline std::string encode_png(const Image& image) {
  constexpr png_uint_32 kFormats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB,
                                      PNG_FORMAT_RGBA};
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = png_uint_32(image.width);
  png.height = png_uint_32(image.height);
  png.format = kFormats[image.channels - 1];
  png_alloc_size_t bytes = 0;
  EXPECT_TRUE(png_image_write_get_memory_size(png, bytes, 0, image.pixels.data(), 0, nullptr));
  std::string file(bytes, '\0');
  EXPECT_TRUE(
      png_image_write_to_memory(&png, file.data(), &bytes, 0, image.pixels.data(), 0, nullptr));
  return file;
}

/// Channels 1 (grey), 3 (RGB) or 4 (CMYK).
inline std::string encode_jpeg(const Image& image, int quality = 95) {
  constexpr J_COLOR_SPACE kSpaces[] = {JCS_GRAYSCALE, JCS_UNKNOWN, JCS_RGB, JCS_CMYK};
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* memory = nullptr;
  unsigned long bytes = 0;
  jpeg_mem_dest(&jpeg, &memory, &bytes);
  jpeg.image_width = JDIMENSION(image.width);
  jpeg.image_height = JDIMENSION(image.height);
  jpeg.input_components = int(image.channels);
  jpeg.in_color_space = kSpaces[image.channels - 1];
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, quality, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    const std::size_t row = jpeg.next_scanline * std::size_t(image.width * image.channels);
    auto* pixels = const_cast<std::uint8_t*>(&image.pixels[row]);
    jpeg_write_scanlines(&jpeg, &pixels, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string file(reinterpret_cast<const char*>(memory), bytes);
  jpeg_destroy_compress(&jpeg);
  std::free(memory);
  return file;
}

/// The file's ending decides: .zip, .tar or .tar.gz.
inline void write_archive(const std::filesystem::path& path, const FileTree& files) {
  archive* a = archive_write_new();
  ASSERT_EQ(archive_write_set_format_filter_by_ext(a, path.c_str()), ARCHIVE_OK);
  ASSERT_EQ(archive_write_open_filename(a, path.c_str()), ARCHIVE_OK);
  for (const auto& [name, content] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, name.ends_with('/') ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, 0755);
    archive_entry_set_size(entry, la_int64_t(content.size()));
    ASSERT_EQ(archive_write_header(a, entry), ARCHIVE_OK);
    ASSERT_EQ(archive_write_data(a, content.data(), content.size()), la_ssize_t(content.size()));
    archive_entry_free(entry);
  }
  ASSERT_EQ(archive_write_close(a), ARCHIVE_OK);
  archive_write_free(a);
}

inline void write_folder(const std::filesystem::path& root, const FileTree& files) {
  for (const auto& [name, content] : files) {
    const std::filesystem::path path = root / name;
    std::filesystem::create_directories(path.parent_path());
    if (name.ends_with('/')) continue;
    std::FILE* file = std::fopen(path.c_str(), "wb");
    ASSERT_NE(file, nullptr);
    ASSERT_EQ(std::fwrite(content.data(), 1, content.size(), file), content.size());
    ASSERT_EQ(std::fclose(file), 0);
  }
}

}  // namespace metatape
