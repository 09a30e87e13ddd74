#include "meta/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "engine/error.h"

namespace metatape {
namespace {

std::size_t available_memory() {
  std::ifstream info("/proc/meminfo");
  std::string key;
  for (std::size_t kib; info >> key >> kib; info.ignore(64, '\n'))
    if (key == "MemAvailable:") return kib << 10;
  return std::size_t(sysconf(_SC_AVPHYS_PAGES)) * std::size_t(sysconf(_SC_PAGESIZE));
}

}  // namespace

MemoryNeed memory_need(const Program& program) {
  return {program.plan.arena_bytes, program.plan.resident_bytes, program.plan.live_bound_bytes};
}

void check_memory(const MemoryNeed& need, const Config& config) {
  const std::size_t limit =
      config.train.max_memory ? std::size_t(config.train.max_memory) << 20 : available_memory();
  const std::size_t wanted = need.arena_bytes + need.resident_bytes;
  if (wanted <= limit) return;
  fail(ErrorKind::memory, "memory",
       "this program needs {} MiB ({} tasks at once, {} inner steps), {} is {} MiB; use "
       "outer.tasks={} or fewer{}",
       wanted >> 20, config.outer.tasks, config.inner.steps,
       config.train.max_memory ? "train.max_memory" : "what the machine has free", limit >> 20,
       std::max<std::int64_t>(
           1, std::int64_t(double(config.outer.tasks) * double(limit) / double(wanted))),
       config.inner.recompute || config.inner.order == "first" ? "" : ", or inner.recompute=true");
}

}  // namespace metatape
