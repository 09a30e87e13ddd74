#include "engine/passes/fuse_lifetimes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/program.h"
#include "tests/support/maml_tape.h"

namespace metatape {
namespace {

struct Reading {
  bool stored = true;
  std::vector<int> operands;
};

/// The same number from nothing but its definition: after each instruction, all bytes alive.
class Counted {
 public:
  explicit Counted(const Graph& graph) : graph_(graph) {
    for (int n = 0; n < size(); ++n) {
      readings.push_back({true, node(n).inputs});
      const bool slot = node(n).op == OpId::input || node(n).op == OpId::state;
      const bool view = op_def(node(n).op).view;
      owner_.push_back(slot ? -1 : view ? owner_[std::size_t(node(n).inputs[0])] : n);
    }
  }

  std::size_t peak() const {
    const std::vector<int> last = last_readers();
    std::vector<std::size_t> alive(graph_.nodes.size() + 1);
    for (int n = 0; n < size(); ++n)
      if (readings[std::size_t(n)].stored && owner_[std::size_t(n)] == n) {
        const int begin = n + (overwrites(n, last) ? 1 : 0);
        for (int at = begin; at <= std::max(last[std::size_t(n)], begin); ++at)
          alive[std::size_t(at)] += bytes(n);
      }
    return *std::max_element(alive.begin(), alive.end());
  }

  std::vector<Reading> readings;

 private:
  int size() const { return int(graph_.nodes.size()); }
  const Node& node(int n) const { return graph_.nodes[std::size_t(n)]; }
  std::size_t bytes(int n) const { return node(n).type.bytes(); }
  std::vector<int> last_readers() const {
    std::vector<int> last(graph_.nodes.size());
    const auto read = [&](int value, int reader) {
      const int o = owner_[std::size_t(value)];
      if (o >= 0) last[std::size_t(o)] = std::max(last[std::size_t(o)], reader);
    };
    for (int n = 0; n < size(); ++n) {
      last[std::size_t(n)] = std::max(last[std::size_t(n)], n);
      if (!readings[std::size_t(n)].stored) continue;
      for (int operand : readings[std::size_t(n)].operands) read(operand, n);
    }
    for (int id : graph_.fetches) read(id, size());
    for (const StateUpdate& u : graph_.updates) read(u.value, size());
    return last;
  }
  bool overwrites(int n, const std::vector<int>& last) const {
    if (!op_def(node(n).op).may_overwrite) return false;
    for (int operand : readings[std::size_t(n)].operands) {
      const int o = owner_[std::size_t(operand)];
      if (o >= 0 && last[std::size_t(o)] == n && node(operand).type == node(n).type) return true;
    }
    return false;
  }

  const Graph& graph_;
  std::vector<int> owner_;
};

TEST(Lifetimes, FollowEveryChangeOfWhatNodesRead) {
  const MamlTape maml({.steps = 1});
  const Program program = compile(maml.tape, {.fetch = maml.fetches(), .fuse = false});
  const Graph& graph = program.graph;
  Lifetimes lifetimes(graph);
  Counted counted(graph);
  ASSERT_GT(counted.peak(), 0u);
  EXPECT_EQ(lifetimes.peak(), counted.peak());
  std::mt19937 random(1);
  const auto below = [&](int n) { return int(random() % unsigned(std::max(n, 1))); };
  std::size_t lowest = counted.peak(), highest = counted.peak();
  for (int change = 0; change < 150; ++change) {
    const int n = 1 + below(int(graph.nodes.size()) - 1);
    Reading& r = counted.readings[std::size_t(n)];
    r.stored = random() % 4 != 0;
    r.operands.clear();
    for (int k = below(4); k > 0; --k) r.operands.push_back(below(n));
    lifetimes.set(n, r.stored, r.operands);
    const std::size_t expected = counted.peak();
    ASSERT_EQ(lifetimes.peak(), expected) << "change " << change << " of node " << n;
    lowest = std::min(lowest, expected);
    highest = std::max(highest, expected);
  }
  EXPECT_LT(lowest, highest) << "no change mattered";
}

}  // namespace
}  // namespace metatape
