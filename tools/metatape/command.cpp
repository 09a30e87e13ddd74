#include "tools/metatape/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "engine/console.h"
#include "engine/error.h"
#include "engine/io/strict_json.h"
#include "engine/printable.h"
#include "meta/settings/recipe.h"

namespace metatape {

void Output::say(const std::string& line) const {
  if (!quiet) tell(printable_lines(line) + "\n");
}

void Output::result(const nlohmann::json& object, const std::string& text) const {
  if (quiet) return;
  const std::string line = (json ? json_text(object) : printable_lines(text)) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size() || std::fflush(stdout) != 0)
    fail(ErrorKind::io, "standard output", "cannot write the result: {}; send it elsewhere",
         std::strerror(errno));
}

Device device_of(const std::string& name) {
  if (name != "cpu" && name != "cuda")
    fail(ErrorKind::usage, "--device", "found {}, expected cpu or cuda", name);
  const Device device = name == "cpu" ? Device::cpu : Device::cuda;
  if (!built_with_cuda()) require_device(device);
  return device;
}

Target target_of(Device device, int threads, const Config& config) {
  const std::string& precision = config.train.precision;
  const bool on_gpu = device == Device::cuda;
  if (on_gpu && precision == "fp64")
    fail(ErrorKind::usage, "train.precision",
         "found fp64, the GPU computes in fp32 or tf32; use --device cpu for fp64");
  if (!on_gpu && precision == "tf32")
    fail(ErrorKind::usage, "train.precision",
         "found tf32, which only a GPU has; expected fp32 or fp64, or --device cuda");
  const Target target{
      .device = device,
      .threads = threads ? threads : std::max(1, int(std::thread::hardware_concurrency())),
      .precision = precision == "tf32" ? kernels::Precision::tf32 : kernels::Precision::fp32,
      .winograd = config.train.winograd};
  return target;
}

Recipe RunArguments::resolve() const {
  Recipe r = load_recipe(recipe);
  for (const std::string& assignment : set) set_config(r.config, assignment);
  check_config(r.config);
  return r;
}

Target RunArguments::target(const Config& config) const {
  return target_of(device_of(device), threads, config);
}

}  // namespace metatape
