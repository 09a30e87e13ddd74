#pragma once

// The planner: where every value lives, decided before anything runs.

#include <cstddef>
#include <vector>

#include "engine/graph.h"
#include "engine/target.h"

namespace metatape {

/// A stretch of arena and the nodes during whose execution it must hold its content.
struct Storage {
  std::size_t bytes = 0;
  int first = 0;  ///< node that writes it
  int last = 0;   ///< last node that reads it; the node count if it is fetched or a state's update
  std::size_t offset = 0;
};

struct Plan {
  static constexpr std::size_t kAlignment = 64;  // a cache line, and the widest vector

  std::vector<Storage> storages;
  std::vector<int> storage_of;    ///< of each node; -1 where a slot keeps the value
  std::vector<int> workspace_of;  ///< of each node; -1 where the kernel needs none
  std::vector<int> status_of;     ///< of each node, kept to the end; -1 where it cannot fail
  std::size_t arena_bytes = 0;
  std::size_t live_bound_bytes = 0;  ///< most bytes alive at once: no placement can be smaller
  std::size_t resident_bytes = 0;    ///< inputs and state
};

struct PlanOptions {
  bool share_memory = true;  ///< false: every value has its own place (the reference in tests)
};

/// Liveness, in-place reuse and offsets. A value that dies where an elementwise kernel reads it
/// gives its place to the result. Places go to the values around the peak first, larger ones before
/// smaller (Pisarchyk & Lee 2020, arXiv:2001.03288, greedy by breadth), each into the lowest gap
/// that is free for its whole lifetime; then again with those first that ended at the top, as long
/// as the arena exceeds the bytes alive at once.
Plan make_plan(const Graph&, const Target&, const PlanOptions& = {});

/// The first part of make_plan(): storages without offsets.
Plan plan_lifetimes(const Graph&, const Target&, const PlanOptions& = {});

/// Bytes alive while each node runs, and after the last.
std::vector<std::size_t> live_bytes(const Plan&, std::size_t nodes);

}  // namespace metatape
