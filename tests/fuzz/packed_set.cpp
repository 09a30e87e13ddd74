// Packed data sets: the file as it is, and its content as the JSON header of a file whose lengths
// and checksums are right, because no mutation would ever hit a SHA-256.

#include "meta/data/packed_set.h"

#include "engine/io/sha256.h"
#include "meta/data/packed_preamble.h"
#include "tests/fuzz/fuzz.h"

namespace metatape {
namespace {

constexpr std::size_t kImageBytes = 60;

std::string around(std::string_view header) {
  PackedPreamble preamble;
  preamble.header_length = header.size();
  preamble.header_sha256 = Sha256().update(header).hex();
  preamble.file_length = preamble.payload_offset() + kImageBytes;
  const auto head = encode_preamble(preamble);
  std::string file(reinterpret_cast<const char*>(head.data()), head.size());
  file += header;
  file.resize(preamble.file_length, '\0');
  return file;
}

void read_all(const std::filesystem::path& path) {
  const PackedSet set = PackedSet::open(path);
  unsigned sum = 0;
  for (std::int64_t c = 0; c < set.class_count(); ++c)
    for (std::int64_t i = 0; i < set.class_images(c); ++i)
      for (std::uint8_t pixel : set.image(c, i)) sum += pixel;
  for (const char* part : {"train", "validation", "test"})
    for (std::int32_t c : set.split("", part)) sum += unsigned(set.class_name(c).size());
  kept = sum;
}

}  // namespace
}  // namespace metatape

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace metatape;
  static MemoryFile file;
  const std::string_view text = as_text(data, size);
  file.set(text);
  accepted([] { read_all(file.path()); });
  file.set(around(text));
  accepted([] { read_all(file.path()); });
  accepted([&] { header_from_json(text, "header"); });
  return 0;
}
