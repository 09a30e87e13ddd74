// A value that waits for its next reader while the most bytes are alive is computed again for that
// reader, if what it is computed from is smaller or alive anyway. In a second-order program such
// values are what an inner step leaves for its own derivative: cotangents scattered to a pooling's
// operand need a quarter of their bytes, the ReLU of a value that a mask reads too needs nothing.
// Each round lowers the highest peak, until another one does not give way.

#include <algorithm>
#include <optional>

#include "engine/graph.h"
#include "engine/passes/fuse_cost.h"
#include "engine/plan.h"

namespace metatape {
namespace {

/// What computing again may cost, in bytes moved for each byte less at the peak. An operation
/// counts as much as an eighth of a byte: 230 GFLOP/s beside 28 GB/s on two CPU cores, and about
/// twice that ratio on GPUs. Convolutions of three channels pass, wider ones do not.
constexpr double kMostCost = 7, kOperation = 1.0 / 8;
/// Instructions that compute a value again, from values that are there.
constexpr std::size_t kMostInstructions = 4;
/// Of the peak, that a round has to gain; and how many may fail to.
constexpr double kLeastGain = 1.0 / 512;
constexpr int kMostRounds = 64, kMostFailures = 4;

struct Clone {
  int value;
  int before;  ///< the first reader that reads the clone; all later ones do
};

/// How a value is computed again: instructions in order, its own the last.
struct Recipe {
  std::vector<int> values = {};
  double held = 0;  ///< bytes that have to be kept for it over the peak
  double cost = 0;
};

/// What may be computed again at the peaks of a graph: the highest, and those as high but for
/// kLeastGain, as those of equal inner steps are.
class Peaks {
 public:
  Peaks(const Graph& graph, const Target& target)
      : graph_(graph),
        instruction_(fusion_cost(target.device).instruction),
        readers_(graph.nodes.size()),
        fixed_(graph.nodes.size()),
        given_up_(graph.nodes.size()) {
    const Plan lifetimes = plan_lifetimes(graph, target);
    for (const std::size_t bytes : live_bytes(lifetimes, graph.nodes.size()))
      live_.push_back(double(bytes));
    highest_ = *std::ranges::max_element(live_);
    for (int n = 0; n < int(graph.nodes.size()); ++n) {
      const int owner = op_def(node(n).op).view ? owner_of(node(n).inputs[0]) : n;
      owner_.push_back(owner);
      last_.push_back(n);
      for (const int input : node(n).inputs) {
        readers_[std::size_t(input)].push_back(n);
        last_[std::size_t(owner_of(input))] = n;
      }
      // Others see a view's bytes without being its readers.
      if (owner != n) fixed_[std::size_t(owner)] = fixed_[std::size_t(n)] = true;
    }
    for (int n = 0; n < int(graph.nodes.size()); ++n)
      if (lifetimes.storage_of[std::size_t(n)] < 0) keep(n);  // a slot holds what it holds
    for (const int id : graph.fetches) keep(id);
    for (const StateUpdate& u : graph.updates) keep(u.value);
  }

  double highest() const { return highest_; }

  /// Lowers one peak after the other, until one does not give way.
  std::vector<Clone> clones() {
    std::vector<Clone> chosen;
    for (;;) {
      const auto peak = std::ranges::max_element(live_);
      at_ = int(peak - live_.begin());
      const double before = *peak;
      if (before < (1 - kLeastGain) * highest_) break;
      lower(chosen);
      if (live_[std::size_t(at_)] == before) break;
    }
    return chosen;
  }

 private:
  const Node& node(int n) const { return graph_.nodes[std::size_t(n)]; }
  int owner_of(int n) const { return owner_[std::size_t(n)]; }
  double bytes_of(int n) const { return double(node(n).type.bytes()); }

  /// To the end, as it is.
  void keep(int n) {
    fixed_[std::size_t(n)] = fixed_[std::size_t(owner_of(n))] = true;
    last_[std::size_t(owner_of(n))] = int(graph_.nodes.size());
  }

  /// The largest values first, each with the operands that those before it keep alive.
  void lower(std::vector<Clone>& chosen) {
    std::vector<int> waiting;
    for (int v = 0; v < std::min(at_, int(graph_.nodes.size())); ++v)
      if (!fixed_[std::size_t(v)] && reader_after(v)) waiting.push_back(v);
    std::ranges::stable_sort(waiting, std::greater{}, [&](int v) { return bytes_of(v); });
    for (const int v : waiting) {
      Recipe recipe;
      if (fixed_[std::size_t(v)] || !add(v, recipe)) continue;
      if (recipe.cost > kMostCost * (bytes_of(v) - recipe.held)) continue;
      const int reader = *reader_after(v);
      for (const int value : recipe.values) {
        chosen.push_back({value, reader});
        for (const int operand : node(value).inputs)
          if (is_there(operand) || is_small(operand, v)) {
            change(last_[std::size_t(owner_of(operand))] + 1, reader, bytes_of(owner_of(operand)));
            keep(operand);
          }
      }
      fixed_[std::size_t(v)] = given_up_[std::size_t(v)] = true;
      const auto& readers = readers_[std::size_t(v)];
      const auto next = std::ranges::find(readers, reader);
      change((next == readers.begin() ? v : *std::prev(next)) + 1, reader, -bytes_of(v));
    }
  }

  void change(int from, int until, double bytes) {
    for (int n = from; n < until; ++n) live_[std::size_t(n)] += bytes;
  }

  /// Of a value that is not in use at the peak.
  std::optional<int> reader_after(int v) const {
    const auto& readers = readers_[std::size_t(v)];
    const auto next = std::ranges::lower_bound(readers, at_);
    return next == readers.end() || *next == at_ ? std::nullopt : std::optional(*next);
  }

  /// Alive at the peak.
  bool is_there(int n) const { return last_[std::size_t(owner_of(n))] >= at_; }
  /// So that keeping it is better than computing it again, too.
  bool is_small(int operand, int v) const { return 2 * bytes_of(owner_of(operand)) <= bytes_of(v); }

  /// Adds the instruction of v, after those of operands that are gone by the peak. False where that
  /// is not possible.
  bool add(int v, Recipe& recipe) const {
    for (const int operand : node(v).inputs) {
      if (given_up_[std::size_t(owner_of(operand))]) return false;
      if (is_there(operand)) continue;
      if (is_small(operand, v))
        recipe.held += bytes_of(owner_of(operand));
      else if (std::ranges::find(recipe.values, operand) == recipe.values.end() &&
               !add(operand, recipe))
        return false;
    }
    const std::vector<ValueType> in = graph_.input_types(node(v));
    const Cost cost = instruction_cost(node(v).op, {in, node(v).type, node(v).attr});
    recipe.cost += cost.bytes + kOperation * cost.flops + instruction_;
    recipe.values.push_back(v);
    const OpDef& def = op_def(node(v).op);
    return !def.may_fail && !def.communicates && recipe.values.size() <= kMostInstructions;
  }

  const Graph& graph_;
  double instruction_;
  int at_ = 0;                ///< the peak that is to be lowered
  std::vector<double> live_;  ///< bytes alive while each node runs, with the clones so far
  double highest_ = 0;
  std::vector<std::vector<int>> readers_;
  std::vector<int> owner_;  ///< whose storage holds a value: itself, but for views
  std::vector<int> last_;   ///< reader of what an owner holds
  std::vector<bool> fixed_, given_up_;
};

void insert(Graph& graph, std::vector<Clone> clones) {
  std::ranges::stable_sort(clones, {}, &Clone::before);
  std::vector<int> moved_to(graph.nodes.size());
  std::vector<Node> nodes;
  auto append = [&](Node node, int old) {
    for (int& input : node.inputs) input = moved_to[std::size_t(input)];
    moved_to[std::size_t(old)] = int(nodes.size());
    nodes.push_back(std::move(node));
  };
  auto clone = clones.begin();
  for (int n = 0; n < int(graph.nodes.size()); ++n) {
    for (; clone != clones.end() && clone->before == n; ++clone)
      append(graph.nodes[std::size_t(clone->value)], clone->value);
    append(graph.nodes[std::size_t(n)], n);
  }
  graph.nodes = std::move(nodes);
  graph.move_results(moved_to);
  remove_dead_code(graph);
}

}  // namespace

void rematerialise(Graph& graph, const Target& target) {
  Graph candidate = graph;
  std::optional<Peaks> peaks(std::in_place, candidate, target);
  double least = peaks->highest();
  for (int round = 0, failures = 0; round < kMostRounds && failures < kMostFailures; ++round) {
    std::vector<Clone> clones = peaks->clones();
    if (clones.empty()) return;
    insert(candidate, std::move(clones));
    peaks.emplace(candidate, target);
    const bool gained = peaks->highest() < (1 - kLeastGain) * least;
    failures = gained ? 0 : failures + 1;
    if (!gained) continue;
    least = peaks->highest();
    graph = candidate;
  }
}

}  // namespace metatape
