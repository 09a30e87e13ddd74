#include "engine/passes/fuse_lifetimes.h"

#include <algorithm>
#include <bit>

namespace metatape {
namespace {

/// The node whose storage holds each value: views look through; -1 for slots, which have their own.
std::vector<int> owners(const Graph& graph) {
  std::vector<int> owner(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    owner[n] = node.op == OpId::input || node.op == OpId::state ? -1
               : op_def(node.op).view                           ? owner[std::size_t(node.inputs[0])]
                                                                : int(n);
  }
  return owner;
}

}  // namespace

Lifetimes::Lifetimes(const Graph& graph)
    : graph_(graph),
      owner_(owners(graph)),
      readers_(graph.nodes.size()),
      operands_(graph.nodes.size()),
      stored_(graph.nodes.size(), true),
      lifetime_(graph.nodes.size()),
      instructions_(int(graph.nodes.size()) + 1) {  // after the last one, results are read
  const std::size_t leaves = std::bit_ceil(std::size_t(instructions_));
  added_.resize(2 * leaves);
  most_.resize(2 * leaves);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    operands_[n] = graph.nodes[n].inputs;
    read(int(n));
  }
  const auto keep = [&](int value) {
    if (const int o = owner(value); o >= 0) readers_[std::size_t(o)].insert(instructions_ - 1);
  };
  for (int id : graph.fetches) keep(id);
  for (const StateUpdate& u : graph.updates) keep(u.value);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) place(int(n));
}

void Lifetimes::set(int n, bool stored, std::span<const int> operands) {
  std::set<int> touched{n};
  forget(n, touched);
  stored_[std::size_t(n)] = stored;
  operands_[std::size_t(n)].assign(operands.begin(), operands.end());
  if (!stored) operands_[std::size_t(n)].clear();
  // Where another node becomes the last to read, it may overwrite what its predecessor might have.
  for (int operand : operands_[std::size_t(n)])
    if (const int o = owner(operand); o >= 0) {
      touched.insert(o);
      touched.insert(last_reader(o));
    }
  read(n);
  for (int t : touched)
    if (t < int(graph_.nodes.size())) place(t);
}

int Lifetimes::last_reader(int value) const {
  const std::multiset<int>& readers = readers_[std::size_t(value)];
  return readers.empty() ? value : std::max(value, *readers.rbegin());
}

bool Lifetimes::overwrites_an_operand(int n) const {
  const Node& node = graph_.nodes[std::size_t(n)];
  if (!op_def(node.op).may_overwrite) return false;
  return std::ranges::any_of(operands_[std::size_t(n)], [&](int operand) {
    const int o = owner(operand);
    return o >= 0 && last_reader(o) == n && graph_.nodes[std::size_t(operand)].type == node.type;
  });
}

void Lifetimes::read(int n) {
  for (int operand : operands_[std::size_t(n)])
    if (const int o = owner(operand); o >= 0) readers_[std::size_t(o)].insert(n);
}

void Lifetimes::forget(int n, std::set<int>& touched) {
  for (int operand : operands_[std::size_t(n)])
    if (const int o = owner(operand); o >= 0) {
      std::multiset<int>& readers = readers_[std::size_t(o)];
      readers.erase(readers.find(n));
      touched.insert(o);
      touched.insert(last_reader(o));
    }
}

void Lifetimes::place(int n) {
  Lifetime& l = lifetime_[std::size_t(n)];
  const std::ptrdiff_t bytes = std::ptrdiff_t(graph_.nodes[std::size_t(n)].type.bytes());
  if (l.first <= l.last) add(l.first, l.last, -bytes);
  l = {};
  if (!stored_[std::size_t(n)] || owner(n) != n) return;
  l.first = n + (overwrites_an_operand(n) ? 1 : 0);
  l.last = std::max(last_reader(n), l.first);
  add(l.first, l.last, bytes);
}

void Lifetimes::add(int first, int last, std::ptrdiff_t bytes) {
  add(1, 0, int(added_.size() / 2) - 1, first, last, bytes);
}

void Lifetimes::add(std::size_t t, int low, int high, int first, int last, std::ptrdiff_t bytes) {
  if (last < low || high < first) return;
  if (first <= low && high <= last) {
    added_[t] += bytes;
    most_[t] += bytes;
    return;
  }
  const int middle = (low + high) / 2;
  add(2 * t, low, middle, first, last, bytes);
  add(2 * t + 1, middle + 1, high, first, last, bytes);
  most_[t] = added_[t] + std::max(most_[2 * t], most_[2 * t + 1]);
}

}  // namespace metatape
