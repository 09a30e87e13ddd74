#include "engine/plan.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "engine/status.h"
#if MT_HAVE_CUDA
#include "kernels/common/cuda_context.h"
#endif

namespace metatape {
namespace {

std::size_t aligned(std::size_t bytes) {
  return (bytes + Plan::kAlignment - 1) / Plan::kAlignment * Plan::kAlignment;
}

bool in_slot(const Node& n) { return n.op == OpId::input || n.op == OpId::state; }

/// Last reader of each value. What a view shows lives as long as the view's readers need it: they
/// share one storage.
std::vector<int> last_readers(const Graph& graph) {
  const int end = int(graph.nodes.size());
  std::vector<int> last(graph.nodes.size());
  for (int n = 0; n < end; ++n) {
    last[std::size_t(n)] = n;
    for (int input : graph.nodes[std::size_t(n)].inputs) last[std::size_t(input)] = n;
  }
  for (int id : graph.fetches) last[std::size_t(id)] = end;
  for (const StateUpdate& u : graph.updates) last[std::size_t(u.value)] = end;
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
        plan.storages[std::size_t(storage)].bytes == aligned(node.type.bytes()))
      return storage;
  }
  return -1;
}

std::size_t workspace_bytes(const Graph& graph, const Node& node, const Target& target) {
  const WorkspaceBinding& binding = op_def(node.op).workspace;
  if (!binding.cpu) return 0;
  const std::vector<ValueType> in = graph.input_types(node);
  const PlanCall call{in, node.type, node.attr};
#if MT_HAVE_CUDA
  if (target.device == Device::cuda)
    return binding.cuda(call, kernels::CudaContext{.precision = target.precision});
#endif
  return binding.cpu(call,
                     kernels::CpuContext{.threads = target.threads, .winograd = target.winograd});
}

bool alive_together(const Storage& a, const Storage& b) {
  return a.first <= b.last && b.first <= a.last;
}

/// Places are given out in an order that `rank` decides, the largest first.
template <class Rank>
std::vector<int> order_by(const Plan& plan, const Rank& rank) {
  std::vector<decltype(rank(plan.storages[0]))> ranks;
  for (const Storage& s : plan.storages) ranks.push_back(rank(s));
  std::vector<int> order(plan.storages.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{}, [&](int id) { return ranks[std::size_t(id)]; });
  return order;
}

/// Of any range of values in two look-ups: row k holds the maximum of the 2^k values from each on.
class RangeMaximum {
 public:
  explicit RangeMaximum(std::vector<std::size_t> values) : rows_{std::move(values)} {
    for (std::size_t width = 1; 2 * width <= rows_[0].size(); width *= 2) {
      const std::vector<std::size_t>& half = rows_.back();
      std::vector<std::size_t> row;
      for (std::size_t i = 0; i + width < half.size(); ++i)
        row.push_back(std::max(half[i], half[i + width]));
      rows_.push_back(std::move(row));
    }
  }

  std::size_t of(std::size_t first, std::size_t last) const {
    const std::size_t row = std::size_t(std::bit_width(last - first + 1)) - 1;
    return std::max(rows_[row][first], rows_[row][last + 1 - (std::size_t(1) << row)]);
  }

 private:
  std::vector<std::vector<std::size_t>> rows_;
};

/// By the most bytes alive while a storage is, then by size: what meets at the peak comes first.
std::vector<int> order_by_breadth(const Plan& plan, const std::vector<std::size_t>& live) {
  const RangeMaximum most(live);
  return order_by(plan, [&](const Storage& s) {
    return std::pair(most.of(std::size_t(s.first), std::size_t(s.last)), s.bytes);
  });
}

/// By size, then by how long they are needed.
std::vector<int> order_by_size(const Plan& plan) {
  return order_by(plan, [](const Storage& s) { return std::pair(s.bytes, s.last - s.first); });
}

/// By how long they are needed, then by size.
std::vector<int> order_by_length(const Plan& plan) {
  return order_by(plan, [](const Storage& s) { return std::pair(s.last - s.first, s.bytes); });
}

enum class Gap { lowest, tightest };

/// Gives each storage a gap that is free for its whole lifetime, or else the place above all that
/// are alive with it; returns the arena.
std::size_t place(Plan& plan, const std::vector<int>& order, Gap wanted) {
  constexpr std::size_t kNone = std::size_t(-1);
  std::vector<const Storage*> placed;  // by offset
  std::size_t arena = 0;
  for (int id : order) {
    Storage& s = plan.storages[std::size_t(id)];
    std::size_t end = 0, found = 0, tightest = kNone;  // end of those below; the gap so far
    for (const Storage* other : placed) {
      if (!alive_together(s, *other)) continue;
      const std::size_t gap = other->offset - std::min(end, other->offset);
      if (gap >= s.bytes && gap < tightest) {
        found = end;
        tightest = gap;
        if (wanted == Gap::lowest) break;
      }
      end = std::max(end, other->offset + other->bytes);
    }
    s.offset = tightest == kNone ? end : found;
    arena = std::max(arena, s.offset + s.bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), &s,
                         [](const Storage* a, const Storage* b) { return a->offset < b->offset; }),
        &s);
  }
  return arena;
}

/// Nothing is gained by a search for the last half per cent.
bool is_close(std::size_t arena, const Plan& plan) {
  return arena <= plan.live_bound_bytes + plan.live_bound_bytes / 200;
}

/// One pass leaves up to 19 % above the bound on tapes of unrolled training; placing what ended at
/// the top first and trying again reached the bound within 5 rounds on all of those measured. A
/// round that gains less than a thousandth was, there, followed by none that did: a tape of 100
/// steps with 20,000 storages gained 1 KB of 637 MB in 16 rounds, which took 17 s.
std::size_t place_in_rounds(Plan& plan, std::vector<int> order, Gap wanted) {
  constexpr int kRounds = 16;
  std::size_t best = place(plan, order, wanted), before = 2 * best, arena = best;
  std::vector<Storage> best_storages = plan.storages;
  for (int round = 0; round < kRounds && before - best > before / 1000 && !is_close(best, plan);
       ++round) {
    std::stable_partition(order.begin(), order.end(), [&](int id) {
      const Storage& s = plan.storages[std::size_t(id)];
      return s.offset + s.bytes == arena;
    });
    arena = place(plan, order, wanted);
    before = best;
    if (arena >= best) continue;
    best = arena;
    best_storages = plan.storages;
  }
  plan.storages = std::move(best_storages);
  return best;
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

Plan plan_lifetimes(const Graph& graph, const Target& target, const PlanOptions& options) {
  Plan plan;
  const std::vector<int> last = last_readers(graph);
  auto new_storage = [&](std::size_t bytes, int first, int until) {
    plan.storages.push_back({bytes, first, until, 0});
    return int(plan.storages.size()) - 1;
  };
  for (int n = 0; n < int(graph.nodes.size()); ++n) {
    const Node& node = graph.nodes[std::size_t(n)];
    const OpDef& def = op_def(node.op);
    int storage = -1, workspace = -1, status = -1;
    if (in_slot(node)) {
      plan.resident_bytes += aligned(node.type.bytes());
    } else if (def.view) {
      storage = plan.storage_of[std::size_t(node.inputs[0])];
    } else {
      if (options.share_memory) storage = overwritable(graph, plan, n);
      if (storage < 0) storage = new_storage(aligned(node.type.bytes()), n, n);
    }
    if (storage >= 0) {
      int& until = plan.storages[std::size_t(storage)].last;
      until = std::max(until, last[std::size_t(n)]);
    }
    if (const std::size_t bytes = workspace_bytes(graph, node, target))
      workspace = new_storage(aligned(bytes), n, n);
    if (def.may_fail)
      status = new_storage(aligned(status_bytes(node.type.shape)), n, int(graph.nodes.size()));
    plan.storage_of.push_back(storage);
    plan.workspace_of.push_back(workspace);
    plan.status_of.push_back(status);
  }
  return plan;
}

std::vector<std::size_t> live_bytes(const Plan& plan, std::size_t nodes) {
  std::vector<std::ptrdiff_t> change(nodes + 2, 0);
  for (const Storage& s : plan.storages) {
    change[std::size_t(s.first)] += std::ptrdiff_t(s.bytes);
    change[std::size_t(s.last) + 1] -= std::ptrdiff_t(s.bytes);
  }
  std::vector<std::size_t> live;
  std::ptrdiff_t now = 0;
  for (std::ptrdiff_t c : change) live.push_back(std::size_t(now += c));
  return live;
}

Plan make_plan(const Graph& graph, const Target& target, const PlanOptions& options) {
  Plan plan = plan_lifetimes(graph, target, options);
  const std::vector<std::size_t> live = live_bytes(plan, graph.nodes.size());
  plan.live_bound_bytes = *std::max_element(live.begin(), live.end());
  if (!options.share_memory) {
    plan.arena_bytes = place_apart(plan);
    return plan;
  }
  Plan best;
  for (const Gap wanted : {Gap::lowest, Gap::tightest})
    for (const auto& order :
         {order_by_breadth(plan, live), order_by_size(plan), order_by_length(plan)}) {
      plan.arena_bytes = place_in_rounds(plan, order, wanted);
      if (best.storages.empty() || plan.arena_bytes < best.arena_bytes) best = plan;
      if (is_close(best.arena_bytes, plan)) return best;
    }
  return best;
}

}  // namespace metatape
