// --set key=value, one on each line. What is accepted must survive being written and read again.

#include <nlohmann/json.hpp>

#include "meta/settings/config.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace metatape;
  std::string_view text = as_text(data, size);
  Config config;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    accepted([&] { set_config(config, line); });
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  if (!accepted([&] { check_config(config); })) return 0;
  const std::string written = to_json(config).dump();
  Config again;
  apply_json(again, nlohmann::json::parse(written), "config.json");
  if (to_json(again).dump() != written) std::abort();
  return 0;
}
