#include <string>
#include <unordered_map>

#include "engine/graph.h"

namespace metatape {
namespace {

/// Equal keys mean equal values.
std::string key_of(const Node& node) {
  std::string key;
  auto append = [&](const auto& value) {
    key.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  append(node.op);
  append(node.generation);
  for (int input : node.inputs) append(input);
  key.append(node.attr.bytes());
  return key;
}

}  // namespace

void merge_common_subexpressions(Graph& graph) {
  std::unordered_map<std::string, int> first;
  std::vector<int> same_as(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    for (int& input : node.inputs) input = same_as[std::size_t(input)];
    same_as[n] = first.emplace(key_of(node), int(n)).first->second;
  }
  graph.move_results(same_as);
}

}  // namespace metatape
