#include "kernels/emulation/settings.h"

#include <cstdlib>
#include <string>

namespace metatape::kernels::emulation {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Settings from_environment() {
  Settings settings;
  const std::string order = variable("MT_EMULATION_ORDER");
  if (order == "descending") {
    settings.order = Order::descending;
  } else if (!order.empty() && order != "ascending") {
    settings.order = Order::random;
    settings.seed = std::strtoull(order.c_str(), nullptr, 10);
  }
  settings.late = variable("MT_EMULATION_LATE") == "1";
  return settings;
}

}  // namespace

Settings& settings() {
  static Settings settings = from_environment();
  return settings;
}

}  // namespace metatape::kernels::emulation
