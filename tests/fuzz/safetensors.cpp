// Tensor files: every byte that a tensor claims is read, and the file as the checkpoint of a model.

#include "engine/io/safetensors.h"

#include <numeric>

#include "engine/io/checkpoint.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace metatape;
  static MemoryFile file;
  file.set(as_text(data, size));
  accepted([] {
    const SafetensorsFile tensors(file.path());
    unsigned sum = 0;
    for (const std::string& name : tensors.names())
      for (std::byte b : tensors.at(name).bytes) sum += unsigned(b);
    kept = sum;
  });
  static const std::vector<Parameter> parameters = {
      {.name = "conv1.weight",
       .group = "body",
       .shape = {2, 1, 1, 3},
       .layout = FileLayout::filter},
      {.name = "head.bias", .group = "head", .shape = {5}}};
  accepted([] { load_checkpoint(file.path(), parameters); });
  return 0;
}
