#include "meta/programs/memory.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "engine/error.h"
#include "meta/programs/task_chunks.h"

namespace metatape {

std::int64_t tasks_that_fit(const MemoryNeed& need, std::size_t limit, std::int64_t tasks) {
  const std::size_t fixed = need.resident_bytes + need.beside_bytes + need.update_bytes;
  const double per_task = double(need.arena_bytes - need.update_bytes) / double(tasks);
  const double room = double(limit) - double(fixed);
  return std::max<std::int64_t>(1, std::int64_t(room / per_task));
}

namespace {

/// Settings that need less, the cheapest first.
std::string advice(const MemoryNeed& need, const Config& c, std::size_t limit) {
  const std::int64_t at_once = tasks_at_once(c, need.ranks);
  std::int64_t fitting = std::min(tasks_that_fit(need, limit, at_once), at_once - 1);
  const bool chunks = can_chunk(c);
  while (chunks && fitting > 1 && c.outer.tasks % (fitting * need.ranks) != 0) --fitting;
  std::vector<std::string> settings;
  if (fitting >= 1)
    settings.push_back(fmt::format("outer.{}={}", chunks ? "chunk" : "tasks",
                                   chunks ? fitting : fitting * need.ranks));
  if (!c.inner.recompute && c.inner.order == "exact" && c.inner.solver == "gradient")
    settings.push_back("inner.recompute=true");
  settings.push_back("fewer task.queries or a smaller model.width");
  return fmt::format("{}", fmt::join(settings, ", or "));
}

}  // namespace

MemoryNeed memory_need(const Program& program) {
  const Graph& graph = program.graph;
  MemoryNeed need{.arena_bytes = program.plan.arena_bytes,
                  .resident_bytes = program.plan.resident_bytes,
                  .live_bound_bytes = program.plan.live_bound_bytes,
                  .device = program.target.device,
                  .ranks = program.target.ranks};
  for (const StateUpdate& u : graph.updates) {
    const ValueType& type = graph.nodes[std::size_t(u.value)].type;
    if (program.plan.storage_of[std::size_t(u.value)] >= 0) need.update_bytes += type.bytes();
  }
  return need;
}

std::size_t memory_limit(const MemoryNeed& need, const Config& config) {
  return config.train.max_memory ? std::size_t(config.train.max_memory) << 20
                                 : free_memory(need.device);
}

void check_memory(const MemoryNeed& need, const Config& config, const std::string& remedy) {
  const std::size_t limit = memory_limit(need, config);
  const std::size_t wanted = need.total_bytes();
  if (wanted <= limit) return;
  const char* what = config.train.max_memory       ? "train.max_memory"
                     : need.device == Device::cuda ? "what the GPU has free"
                                                   : "what the machine has free";
  fail(ErrorKind::memory, "memory",
       "this program needs {:.1f} MiB ({} tasks at once, {} inner steps), {} is {} MiB; use "
       "{}",
       double(wanted) / (1 << 20), tasks_at_once(config, need.ranks), config.inner.steps, what,
       limit >> 20, remedy.empty() ? advice(need, config, limit) : remedy);
}

}  // namespace metatape
