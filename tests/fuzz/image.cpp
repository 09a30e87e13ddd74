// PNG and JPEG images.

#include "meta/data/image.h"

#include "meta/data/image_decode.h"
#include "meta/data/resize.h"
#include "tests/fuzz/fuzz.h"

namespace {

/// An image of 256 MiB is allowed and takes a second each time: no harm, but nothing is learnt.
bool claims_much(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kWidthOfPng = 16, kHeightOfPng = 20;
  auto number = [&](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t k = at; k < at + 4 && k < size; ++k) value = value << 8 | data[k];
    return value;
  };
  return size > kHeightOfPng + 4 && data[0] == 0x89 &&
         number(kWidthOfPng) * number(kHeightOfPng) > (1u << 22);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace metatape;
  if (claims_much(data, size)) return 0;
  accepted([&] {
    const Image image = decode_image({reinterpret_cast<const std::byte*>(data), size}, "image");
    area_resize(centre_square(image), 8, 8);
  });
  return 0;
}
