#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/program.h"
#include "meta/settings/config.h"

namespace metatape {

/// Memory that a program needs, known before it runs.
struct MemoryNeed {
  std::size_t arena_bytes = 0, resident_bytes = 0, live_bound_bytes = 0;
  std::size_t update_bytes = 0;  ///< of the arena: new states, whatever the number of tasks
  std::size_t beside_bytes = 0;  ///< of a second program that runs in between
  std::size_t total_bytes() const { return arena_bytes + resident_bytes + beside_bytes; }
  Device device = Device::cpu;
  int ranks = 1;  ///< each needs it
};
MemoryNeed memory_need(const Program&);

/// Of the tasks that the need is for, those whose values fit the limit: at least 1.
std::int64_t tasks_that_fit(const MemoryNeed&, std::size_t limit, std::int64_t tasks);

/// Bytes that there are: train.max_memory or, where that is not set, what the device has free.
std::size_t memory_limit(const MemoryNeed&, const Config&);

/// Errors: memory, naming what is needed, what there is, and settings that need less: `remedy`, or
/// a guess at them.
void check_memory(const MemoryNeed&, const Config&, const std::string& remedy = {});

}  // namespace metatape
