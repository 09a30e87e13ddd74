#pragma once

#include <vector>

#include "engine/graph.h"

namespace metatape {

/// A new node at the end of `nodes`, of the type that its shape rule gives; it stands for part of
/// what `like` was recorded for. Its place.
inline int append_node(std::vector<Node>& nodes, OpId op, std::vector<int> inputs, const Attr& attr,
                       const Node& like) {
  std::vector<ValueType> types;
  for (const int input : inputs) types.push_back(nodes[std::size_t(input)].type);
  const ValueType type = op_def(op).infer({op, types, attr, Loc::current()});
  nodes.push_back({op, type, std::move(inputs), attr, like.generation, like.instruction});
  return int(nodes.size()) - 1;
}

}  // namespace metatape
