#pragma once

#include <cstddef>
#include <set>
#include <span>
#include <vector>

#include "engine/graph.h"

namespace metatape {

/// Most bytes alive at once while fusion changes what nodes read, with reuse in place where an
/// elementwise node reads a value of its type for the last time. A change costs O(log nodes) for
/// each operand. Shares no code with the planner.
class Lifetimes {
 public:
  /// As the graph is: every node is stored and reads its inputs.
  explicit Lifetimes(const Graph&);

  /// From now on node n reads these values. Nodes that are not stored read nothing and take no
  /// memory.
  void set(int n, bool stored, std::span<const int> operands);

  std::size_t peak() const { return std::size_t(most_[1]); }

 private:
  struct Lifetime {
    int first = 0, last = -1;  ///< instructions; empty until placed
  };

  int owner(int value) const { return owner_[std::size_t(value)]; }
  int last_reader(int value) const;
  bool overwrites_an_operand(int n) const;
  void read(int n);
  void forget(int n, std::set<int>& touched);
  void place(int n);
  void add(int first, int last, std::ptrdiff_t bytes);
  void add(std::size_t tree_node, int low, int high, int first, int last, std::ptrdiff_t bytes);

  const Graph& graph_;
  std::vector<int> owner_;                   ///< whose storage holds a value; -1: its own slot
  std::vector<std::multiset<int>> readers_;  ///< of each owner
  std::vector<std::vector<int>> operands_;
  std::vector<bool> stored_;
  std::vector<Lifetime> lifetime_;
  // A segment tree over the instructions: bytes added to all below a node, and the most below it.
  int instructions_ = 0;
  std::vector<std::ptrdiff_t> added_, most_;
};

}  // namespace metatape
