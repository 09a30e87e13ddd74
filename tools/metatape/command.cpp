#include "tools/metatape/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/error.h"
#include "meta/recipe.h"

namespace metatape {

void Output::say(const std::string& line) const { fmt::print(stderr, "{}\n", line); }

void Output::result(const nlohmann::json& object, const std::string& text) const {
  fmt::print("{}\n", json ? object.dump() : text);
  std::fflush(stdout);
}

void require_device(const std::string& device) {
  if (device == "cpu") return;
  if (device == "cuda")
    fail(ErrorKind::device, "--device",
         "this build runs on the CPU only; found cuda, expected cpu");
  fail(ErrorKind::usage, "--device", "found {}, expected cpu or cuda", device);
}

Recipe RunArguments::resolve() const {
  require_device(device);
  Recipe r = load_recipe(recipe);
  for (const std::string& assignment : set) set_config(r.config, assignment);
  check_config(r.config);
  return r;
}

int RunArguments::thread_count() const {
  return threads ? threads : std::max(1, int(std::thread::hardware_concurrency()));
}

}  // namespace metatape
