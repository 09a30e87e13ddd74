// Elementwise fusion. At first every value is stored. A value stops being stored where its readers
// are cheaper when each computes it for itself: its cone moves into theirs. Values that stay (a
// convolution reads them, or many readers do) may still be computed again by a reader that reads
// their operands anyway. Each move has to lower the cost (engine/passes/fuse_cost.h) and must not
// raise the most bytes alive at once above those of the program as it came, so that a value of one
// recomputation is not kept for another. What a max-pooling scatters counts as elementwise where no
// windows overlap: an element is one value of the pooled image or zero. Moves are tried in the
// order of the program until none is left.

#include <algorithm>
#include <optional>
#include <set>

#include "engine/passes/fuse_cost.h"
#include "engine/passes/fuse_expression.h"
#include "engine/passes/fuse_lifetimes.h"
#include "engine/passes/fused_group.h"

namespace metatape {
namespace {

class Fusion {
 public:
  Fusion(Graph& graph, Device device)
      : graph_(graph), cost_(fusion_cost(device)), nodes_(graph.nodes.size()) {
    skip_stop_gradients();
    lifetimes_.emplace(graph);
    for (int n = 0; n < size(); ++n)
      for (int input : graph.nodes[std::size_t(n)].inputs) {
        std::vector<int>& readers = state(input).readers;
        if (readers.empty() || readers.back() != n) readers.push_back(n);
      }
    for (int n = 0; n < size(); ++n) {
      State& s = state(n);
      s.may_vanish = can_be_inside(node(n));
      for (int reader : s.readers) s.may_vanish = s.may_vanish && is_root(reader);
    }
    for (int id : graph.fetches) state(id).may_vanish = false;
    for (const StateUpdate& u : graph.updates) state(u.value).may_vanish = false;
    for (int n = 0; n < size(); ++n) {
      if (is_root(n))
        refresh(n);
      else if (can_be_inside(node(n)))
        state(n).computation.cost = price_of_reading(node(n).inputs) + bytes(n);
    }
    limit_ = lifetimes_->peak();
  }

  void search() {
    constexpr int kSweeps = 4;
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool moved = false;
      for (int n = 0; n < size(); ++n)
        if (state(n).stored && state(n).may_vanish) moved |= try_to_drop(n);
      for (int n = 0; n < size(); ++n)
        if (state(n).stored && is_root(n)) moved |= try_to_recompute(n);
      if (!moved) return;
    }
  }

  /// Every root that computes more than its own operation becomes a fused node.
  void rewrite() {
    for (int n = 0; n < size(); ++n) {
      if (!is_root(n) || !state(n).stored) continue;
      const Cone& cone = *state(n).computation.cone;
      if (cone.inside.size() < (is_reduction(node(n)) ? 1 : 2)) continue;
      auto group = std::make_shared<FusedGroup>();
      *group = {cone.expression, cone.loops, node(n).type.shape, {}};
      for (int id : cone.inside) group->instructions.push_back(node(id).instruction);
      if (is_reduction(node(n))) group->instructions.push_back(node(n).instruction);
      const int pooling = node(n).op == OpId::max_pool_index ? n : cone.scatter;
      if (pooling >= 0) group->pool = node(pooling).attr;
      if (cone.scatter >= 0) group->scattered_to = node(cone.scatter).type.shape;
      std::sort(group->instructions.begin(), group->instructions.end());
      changed_.push_back({n, cone.leaves, group});
    }
    for (Change& c : changed_) {
      Node& root = graph_.nodes[std::size_t(c.node)];
      root.op = is_sum(root)         ? OpId::fused_sum
                : is_reduction(root) ? OpId::fused_pool_index
                                     : OpId::fused;
      root.inputs = std::move(c.operands);
      root.attr = Attr::of(FusedAttr{c.group.get()});
      graph_.fused_groups.push_back(std::move(c.group));
    }
  }

 private:
  /// Of a root, an elementwise node or a reduction, as long as it is stored. (Of a pool_scatter:
  /// its cost.)
  struct Computation {
    std::optional<Cone> cone;
    double cost = 0;
  };
  struct State {
    bool stored = true;
    bool may_vanish = false;  ///< elementwise, and only read by nodes that can compute it
    std::vector<int> readers;
    Computation computation;
  };
  struct Change {
    int node;
    std::vector<int> operands;
    std::shared_ptr<FusedGroup> group;
  };

  int size() const { return int(graph_.nodes.size()); }
  const Node& node(int id) const { return graph_.nodes[std::size_t(id)]; }
  State& state(int id) { return nodes_[std::size_t(id)]; }
  const State& state(int id) const { return nodes_[std::size_t(id)]; }
  bool is_root(int id) const { return is_elementwise(node(id)) || is_reduction(node(id)); }

  /// A stop_gradient has nothing to stop any more; its readers may read what it shows.
  void skip_stop_gradients() {
    for (Node& reader : graph_.nodes)
      if (is_elementwise(reader) || is_reduction(reader))
        for (int& input : reader.inputs)
          while (node(input).op == OpId::stop_gradient) input = node(input).inputs[0];
  }

  double bytes(int id) const { return double(node(id).type.bytes()); }

  /// An instruction's price without that of its work and its result.
  double price_of_reading(const std::vector<int>& operands) const {
    double price = cost_.instruction;
    for (int id : operands) price += bytes(id);
    return price;
  }

  /// Finds anew what a root reads, computes and costs; false if it does not fit an expression.
  bool refresh(int root) {
    Computation& c = state(root).computation;
    c.cone = cone_of(graph_, root, [&](int id) {
      return can_be_inside(node(id)) && (!state(id).stored || recomputed_.contains({root, id}));
    });
    if (!c.cone) return false;
    c.cost = price_of_reading(c.cone->leaves) + bytes(root);
    double work = is_reduction(node(root)) ? 1 : 0;
    for (int i = 0; i < c.cone->expression.operations; ++i)
      work += relative_work(c.cone->expression.code[std::size_t(i)].function);
    if (is_sum(node(root)) && !c.cone->inside.empty() && keeps_long_rows(*c.cone, root))
      work += cost_.long_row_sum / cost_.operation;
    c.cost += work * cost_.operation * double(c.cone->loops.elements()) *
              double(dtype_bytes(node(c.cone->leaves[0]).type.dtype));
    return true;
  }

  bool keeps_long_rows(const Cone& cone, int root) const {
    constexpr std::int64_t kLongRow = 1024;
    const Shape& result = node(root).type.shape;
    std::int64_t row = 1;
    for (int back = 1; back <= std::min(result.rank(), cone.loops.rank()); ++back) {
      if (result[-back] != cone.loops[-back]) break;
      row *= result[-back];
    }
    return row >= kLongRow;
  }

  /// The stored nodes that would compute `id` if it were not stored.
  void roots_above(int id, std::set<int>& roots) const {
    for (int reader : state(id).readers) {
      if (state(reader).stored)
        roots.insert(reader);
      else
        roots_above(reader, roots);
    }
  }

  /// Does `change` of node `id`, and undoes it unless it lowers the cost of the roots together.
  template <class Do, class Undo>
  bool attempt(int id, const std::set<int>& roots, double released, const Do& change,
               const Undo& undo) {
    std::vector<Computation> before;
    double gain = released;
    for (int root : roots) {
      before.push_back(state(root).computation);
      gain += before.back().cost;
    }
    change();
    bool fits = true;
    for (int root : roots) {
      fits = refresh(root);
      if (!fits) break;
      gain -= state(root).computation.cost;
    }
    const bool cheaper = fits && gain > 0;
    if (cheaper && peak_after(id, roots) <= limit_) return true;
    undo();
    auto saved = before.begin();
    for (int root : roots) state(root).computation = std::move(*saved++);
    if (cheaper) peak_after(id, roots);
    return false;
  }

  bool try_to_drop(int id) {
    std::set<int> roots;
    roots_above(id, roots);
    return attempt(
        id, roots, state(id).computation.cost, [&] { state(id).stored = false; },
        [&] { state(id).stored = true; });
  }

  bool try_to_recompute(int root) {
    bool moved = false;
    const std::vector<int> leaves = state(root).computation.cone->leaves;
    for (int leaf : leaves) {
      const std::pair<int, int> pair{root, leaf};
      if (!can_be_inside(node(leaf)) || recomputed_.contains(pair)) continue;
      moved |= attempt(
          root, {root}, 0, [&] { recomputed_.insert(pair); }, [&] { recomputed_.erase(pair); });
    }
    return moved;
  }

  /// Most bytes alive at once, now that these nodes have changed.
  std::size_t peak_after(int id, const std::set<int>& roots) {
    const auto update = [&](int n) {
      lifetimes_->set(n, state(n).stored,
                      is_root(n) ? state(n).computation.cone->leaves : node(n).inputs);
    };
    update(id);
    for (int root : roots) update(root);
    return lifetimes_->peak();
  }

  Graph& graph_;
  const FusionCost cost_;
  std::vector<State> nodes_;
  std::set<std::pair<int, int>> recomputed_;  ///< root, stored value that it computes again
  std::vector<Change> changed_;
  std::optional<Lifetimes> lifetimes_;
  std::size_t limit_ = 0;
};

}  // namespace

void fuse(Graph& graph, Device device) {
  Fusion fusion(graph, device);
  fusion.search();
  fusion.rewrite();
}

}  // namespace metatape
