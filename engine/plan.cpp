#include "engine/plan.h"

#include <algorithm>
#include <numeric>

namespace metatape {
namespace {

std::size_t aligned(std::size_t bytes) {
  return (bytes + Plan::kAlignment - 1) / Plan::kAlignment * Plan::kAlignment;
}

std::size_t bytes_of(const ValueType& v) {
  return aligned(std::size_t(v.shape.elements()) * dtype_bytes(v.dtype));
}

bool in_slot(const Node& n) { return n.op == OpId::input || n.op == OpId::state; }

/// Last reader of each value; a reader of a view reads what is viewed.
std::vector<int> last_readers(const Graph& graph) {
  const int end = int(graph.nodes.size());
  std::vector<int> last(graph.nodes.size());
  std::iota(last.begin(), last.end(), 0);
  for (int id : graph.fetches) last[std::size_t(id)] = end;
  for (const StateUpdate& u : graph.updates) last[std::size_t(u.value)] = end;
  for (int n = end - 1; n >= 0; --n) {
    const Node& node = graph.nodes[std::size_t(n)];
    const int held_until = op_def(node.op).view ? last[std::size_t(n)] : n;
    for (int input : node.inputs)
      last[std::size_t(input)] = std::max(last[std::size_t(input)], held_until);
  }
  return last;
}

/// The storage of an operand that `node` may write its result onto, or -1.
int overwritable(const Graph& graph, const Plan& plan, int n) {
  const Node& node = graph.nodes[std::size_t(n)];
  if (!op_def(node.op).may_overwrite) return -1;
  for (int input : node.inputs) {
    const int storage = plan.storage_of[std::size_t(input)];
    const ValueType& operand = graph.nodes[std::size_t(input)].type;
    if (storage >= 0 && operand == node.type && plan.storages[std::size_t(storage)].last == n &&
        plan.storages[std::size_t(storage)].bytes == bytes_of(node.type))
      return storage;
  }
  return -1;
}

void assign_storages(const Graph& graph, const kernels::CpuContext& context,
                     const PlanOptions& options, Plan& plan) {
  const std::vector<int> last = last_readers(graph);
  auto new_storage = [&](std::size_t bytes, int first, int until) {
    plan.storages.push_back({bytes, first, until, 0});
    return int(plan.storages.size()) - 1;
  };
  for (int n = 0; n < int(graph.nodes.size()); ++n) {
    const Node& node = graph.nodes[std::size_t(n)];
    const OpDef& def = op_def(node.op);
    int storage = -1, workspace = -1;
    if (in_slot(node)) {
      plan.resident_bytes += bytes_of(node.type);
    } else if (def.view) {
      storage = plan.storage_of[std::size_t(node.inputs[0])];
    } else {
      if (options.share_memory) storage = overwritable(graph, plan, n);
      if (storage < 0) storage = new_storage(bytes_of(node.type), n, n);
    }
    if (storage >= 0) {
      int& until = plan.storages[std::size_t(storage)].last;
      until = std::max(until, last[std::size_t(n)]);
    }
    if (def.workspace_bytes) {
      const std::vector<ValueType> in = graph.input_types(node);
      const std::size_t bytes = def.workspace_bytes({in, node.type, node.attr, context});
      if (bytes) workspace = new_storage(aligned(bytes), n, n);
    }
    plan.storage_of.push_back(storage);
    plan.workspace_of.push_back(workspace);
  }
}

std::size_t live_bound(const Plan& plan, std::size_t nodes) {
  std::vector<std::ptrdiff_t> change(nodes + 2, 0);
  for (const Storage& s : plan.storages) {
    change[std::size_t(s.first)] += std::ptrdiff_t(s.bytes);
    change[std::size_t(s.last) + 1] -= std::ptrdiff_t(s.bytes);
  }
  std::ptrdiff_t live = 0, most = 0;
  for (std::ptrdiff_t c : change) most = std::max(most, live += c);
  return std::size_t(most);
}

bool alive_together(const Storage& a, const Storage& b) {
  return a.first <= b.last && b.first <= a.last;
}

std::size_t place_by_size(Plan& plan) {
  std::vector<int> order(plan.storages.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return plan.storages[std::size_t(a)].bytes > plan.storages[std::size_t(b)].bytes;
  });
  std::vector<const Storage*> placed;  // by offset
  std::size_t arena = 0;
  for (int id : order) {
    Storage& s = plan.storages[std::size_t(id)];
    std::size_t lowest = 0;
    for (const Storage* other : placed) {
      if (!alive_together(s, *other)) continue;
      if (other->offset >= lowest + s.bytes) break;
      lowest = std::max(lowest, other->offset + other->bytes);
    }
    s.offset = lowest;
    arena = std::max(arena, lowest + s.bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), &s,
                         [](const Storage* a, const Storage* b) { return a->offset < b->offset; }),
        &s);
  }
  return arena;
}

std::size_t place_apart(Plan& plan) {
  std::size_t arena = 0;
  for (Storage& s : plan.storages) {
    s.offset = arena;
    arena += s.bytes;
  }
  return arena;
}

}  // namespace

Plan make_plan(const Graph& graph, const kernels::CpuContext& context, const PlanOptions& options) {
  Plan plan;
  assign_storages(graph, context, options, plan);
  plan.live_bound_bytes = live_bound(plan, graph.nodes.size());
  plan.arena_bytes = options.share_memory ? place_by_size(plan) : place_apart(plan);
  return plan;
}

}  // namespace metatape
