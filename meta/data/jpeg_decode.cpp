#include "meta/data/jpeg_decode.h"

#include <csetjmp>
#include <cstdio>
// jpeglib.h needs stdio first.
#include <jerror.h>
#include <jpeglib.h>

#include "engine/error.h"

// libjpeg reports errors by longjmp. Every function that it may leave that way holds no object with
// a destructor, and none of ours throws from inside libjpeg.

namespace metatape {

namespace {

struct JpegReader {
  JpegReader();
  ~JpegReader() { jpeg_destroy_decompress(&jpeg); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape{};
  char reason[JMSG_LENGTH_MAX] = "too many scans";
};

JpegReader& reader_of(j_common_ptr jpeg) { return *static_cast<JpegReader*>(jpeg->client_data); }

void on_error(j_common_ptr jpeg) {
  JpegReader& reader = reader_of(jpeg);
  reader.errors.format_message(jpeg, reader.reason);
  std::longjmp(reader.escape, 1);
}

/// libjpeg goes on after damaged data and fills in grey. Harmless oddities (bytes between segments,
/// Adobe markers) are let pass; lost image data is an error.
void on_message(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
      on_error(jpeg);
  }
}

/// A few kilobytes of progressive JPEG can ask for hours of work; real files have some ten scans.
void on_progress(j_common_ptr jpeg) {
  constexpr int kMostScans = 100;
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMostScans)
    std::longjmp(reader_of(jpeg).escape, 1);
}

JpegReader::JpegReader() {
  jpeg.err = jpeg_std_error(&errors);
  jpeg.client_data = this;
  errors.error_exit = on_error;
  errors.emit_message = on_message;
  progress.progress_monitor = on_progress;
}

bool read_header(JpegReader& reader, std::span<const std::byte> file) {
  if (setjmp(reader.escape)) return false;
  jpeg_create_decompress(&reader.jpeg);
  reader.jpeg.progress = &reader.progress;
  jpeg_mem_src(&reader.jpeg, reinterpret_cast<const unsigned char*>(file.data()), file.size());
  jpeg_read_header(&reader.jpeg, TRUE);
  return true;
}

bool read_pixels(JpegReader& reader, std::uint8_t* pixels) {
  if (setjmp(reader.escape)) return false;
  jpeg_decompress_struct& jpeg = reader.jpeg;
  jpeg.out_color_space = jpeg.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg.dct_method = JDCT_ISLOW;  // the transform whose result is the same on every machine
  jpeg_start_decompress(&jpeg);
  const std::size_t row_bytes = std::size_t(jpeg.output_width) * std::size_t(jpeg.num_components);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = pixels + jpeg.output_scanline * row_bytes;
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> file, const std::string& subject) {
  JpegReader reader;
  const auto refuse = [&] {
    fail(ErrorKind::io, subject, "is a damaged JPEG: {}; restore or remove it", reader.reason);
  };
  if (!read_header(reader, file)) refuse();
  const int channels = reader.jpeg.num_components;
  if (channels != 1 && channels != 3)
    fail(ErrorKind::io, subject,
         "is a JPEG with {} colours (CMYK?), expected grey or RGB; "
         "convert it",
         channels);
  check_image_extents(reader.jpeg.image_height, reader.jpeg.image_width, std::uint64_t(channels),
                      subject);
  Image image{
      .height = reader.jpeg.image_height, .width = reader.jpeg.image_width, .channels = channels};
  image.pixels.resize(std::size_t(image.height * image.width * image.channels));
  if (!read_pixels(reader, image.pixels.data())) refuse();
  return image;
}

}  // namespace metatape
