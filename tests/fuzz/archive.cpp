// Archives as `pack images` takes them: zip, tar and the compressions of tar, with the images in
// them. Nothing may appear outside of the output.

#include "meta/data/import_images.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temporary_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace metatape;
  static MemoryFile file;
  static const TemporaryFolder folder;
  file.set(as_text(data, size));
  const std::filesystem::path packed = folder / "packed.mtd";
  const bool whole = accepted([&] { pack_images({.input = file.path(), .size = 4}, packed); });
  const bool exists = std::filesystem::remove(packed);
  if (whole != exists || !std::filesystem::is_empty(folder.path())) std::abort();
  return 0;
}
