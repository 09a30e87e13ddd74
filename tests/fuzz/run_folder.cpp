// The files of a run that somebody else made: config.json, metrics.jsonl or result.json by the
// first byte of the input, the others sound.

#include <array>
#include <optional>

#include "meta/report/run_record.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temporary_folder.h"

namespace {

constexpr std::array<const char*, 3> kNames = {"config.json", "metrics.jsonl", "result.json"};
constexpr std::array<const char*, 3> kSound = {
    R"({"format": 1, "settings": {"task": {"ways": 5}}})", R"({"iteration": 1, "loss": 0.5})",
    R"({"train": {"loss": 0.5}})"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace metatape;
  static const TemporaryFolder folder;
  if (size == 0) return 0;
  for (std::size_t k = 0; k < kNames.size(); ++k) {
    const bool hostile = data[0] % kNames.size() == k;
    write_text(folder / kNames[k],
               hostile ? std::string(as_text(data + 1, size - 1)) : std::string(kSound[k]));
  }
  accepted([] { read_run(folder.path()); });
  return 0;
}
