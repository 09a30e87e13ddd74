#include "engine/passes/fuse_lifetimes.h"

#include <algorithm>

namespace metatape {
namespace {

std::size_t bytes_of(const Node& node) {
  return std::size_t(node.type.shape.elements()) * dtype_bytes(node.type.dtype);
}

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

std::size_t peak_bytes(const Graph& graph, std::span<const Reading> readings) {
  const std::size_t count = graph.nodes.size();
  const std::vector<int> owner = owners(graph);
  std::vector<int> last(count, -1);
  auto read = [&](int value, int reader) {
    if (const int o = owner[std::size_t(value)]; o >= 0) last[std::size_t(o)] = reader;
  };
  for (std::size_t n = 0; n < count; ++n) {
    if (!readings[n].stored) continue;
    for (int operand : readings[n].operands) read(operand, int(n));
    if (owner[n] == int(n)) last[n] = int(n);
  }
  for (int id : graph.fetches) read(id, int(count));
  for (const StateUpdate& u : graph.updates) read(u.value, int(count));

  std::vector<std::ptrdiff_t> change(count + 2, 0);
  for (std::size_t n = 0; n < count; ++n) {
    if (owner[n] != int(n) || !readings[n].stored) continue;
    const Node& node = graph.nodes[n];
    const bool in_place =
        op_def(node.op).may_overwrite &&
        std::any_of(readings[n].operands.begin(), readings[n].operands.end(), [&](int operand) {
          const int o = owner[std::size_t(operand)];
          return o >= 0 && last[std::size_t(o)] == int(n) &&
                 graph.nodes[std::size_t(operand)].type == node.type;
        });
    change[n + in_place] += std::ptrdiff_t(bytes_of(node));
    change[std::size_t(std::max(last[n], int(n) + in_place)) + 1] -= std::ptrdiff_t(bytes_of(node));
  }
  std::ptrdiff_t live = 0, peak = 0;
  for (std::ptrdiff_t c : change) peak = std::max(peak, live += c);
  return std::size_t(peak);
}

}  // namespace metatape
