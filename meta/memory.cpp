#include "meta/memory.h"

#include <algorithm>

#include "engine/error.h"

namespace metatape {

namespace {

/// Tasks whose values fit the limit, if those of one task are what grows.
std::int64_t tasks_that_fit(const MemoryNeed& need, std::size_t limit, std::int64_t tasks) {
  const std::size_t fixed = need.resident_bytes + need.beside_bytes + need.update_bytes;
  const double per_task = double(need.arena_bytes - need.update_bytes) / double(tasks);
  const double room = double(limit) - double(fixed);
  return std::max<std::int64_t>(1, std::int64_t(room / per_task));
}

}  // namespace

MemoryNeed memory_need(const Program& program) {
  const Graph& graph = program.graph;
  MemoryNeed need{.arena_bytes = program.plan.arena_bytes,
                  .resident_bytes = program.plan.resident_bytes,
                  .live_bound_bytes = program.plan.live_bound_bytes,
                  .device = program.target.device};
  for (const StateUpdate& u : graph.updates) {
    const ValueType& type = graph.nodes[std::size_t(u.value)].type;
    if (program.plan.storage_of[std::size_t(u.value)] >= 0)
      need.update_bytes += std::size_t(type.shape.elements()) * dtype_bytes(type.dtype);
  }
  return need;
}

void check_memory(const MemoryNeed& need, const Config& config) {
  const std::size_t limit = config.train.max_memory ? std::size_t(config.train.max_memory) << 20
                                                    : free_memory(need.device);
  const std::size_t wanted = need.total_bytes();
  if (wanted <= limit) return;
  const char* what = config.train.max_memory       ? "train.max_memory"
                     : need.device == Device::cuda ? "what the GPU has free"
                                                   : "what the machine has free";
  fail(ErrorKind::memory, "memory",
       "this program needs {:.1f} MiB ({} tasks at once, {} inner steps), {} is {} MiB; use "
       "outer.tasks={} or fewer{}",
       double(wanted) / (1 << 20), config.outer.tasks, config.inner.steps, what, limit >> 20,
       tasks_that_fit(need, limit, config.outer.tasks),
       config.inner.recompute || config.inner.order == "first" ? "" : ", or inner.recompute=true");
}

}  // namespace metatape
