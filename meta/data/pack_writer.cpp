#include "meta/data/pack_writer.h"

#include "engine/error.h"
#include "meta/data/packed_preamble.h"

namespace metatape {

namespace {

PackedPreamble preamble_for(const PackedHeader& header, std::string_view json) {
  PackedPreamble preamble;
  preamble.header_length = json.size();
  preamble.header_sha256 = Sha256().update(json).hex();
  preamble.file_length =
      preamble.payload_offset() + std::uint64_t(header.image_count() * header.image_bytes());
  return preamble;
}

}  // namespace

PackWriter::PackWriter(std::filesystem::path path, PackedHeader header)
    : subject_(path.string()), header_(std::move(header)), file_(std::move(path)) {
  check_header(header_, subject_);
  remove_stale_temporaries_of(subject_);
  header_.payload_sha256.assign(64, '0');  // same length as the real one, which comes last
  const std::string json = header_to_json(header_, subject_);
  if (json.size() > kLongestHeader)
    fail(ErrorKind::io, subject_, "the header has {} bytes, at most {} are allowed; shorten names",
         json.size(), kLongestHeader);
  const PackedPreamble preamble = preamble_for(header_, json);
  file_.write(encode_preamble(preamble));
  file_.write(json);
  file_.write(std::string(preamble.payload_offset() - kPreambleBytes - json.size(), '\0'));
}

void PackWriter::add(std::span<const std::uint8_t> image) {
  if (std::int64_t(image.size()) != header_.image_bytes())
    fail(ErrorKind::internal, subject_, "image {} has {} bytes, expected {}", images_, image.size(),
         header_.image_bytes());
  payload_.update(std::as_bytes(image));
  file_.write(std::as_bytes(image));
  ++images_;
}

PackReport PackWriter::commit() {
  if (images_ != header_.image_count())
    fail(ErrorKind::internal, subject_, "{} images were written, the header promises {}", images_,
         header_.image_count());
  header_.payload_sha256 = payload_.hex();
  const std::string json = header_to_json(header_, subject_);
  const PackedPreamble preamble = preamble_for(header_, json);
  file_.overwrite(0, encode_preamble(preamble));
  file_.overwrite(kPreambleBytes, std::as_bytes(std::span(json)));
  file_.commit();
  return {.classes = std::int64_t(header_.classes.size()),
          .images = images_,
          .height = header_.height,
          .width = header_.width,
          .channels = header_.channels,
          .bytes = preamble.file_length,
          .digest = header_.payload_sha256};
}

}  // namespace metatape
