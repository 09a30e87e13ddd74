// Recipe files.

#include "meta/settings/recipe.h"

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace metatape;
  static MemoryFile file;
  file.set(as_text(data, size));
  accepted([] { check_config(load_recipe(file.path()).config); });
  return 0;
}
