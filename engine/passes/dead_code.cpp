#include "engine/graph.h"

namespace metatape {

void remove_dead_code(Graph& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  for (int id : graph.fetches) live[std::size_t(id)] = true;
  for (const StateUpdate& u : graph.updates)
    live[std::size_t(u.state)] = live[std::size_t(u.value)] = true;
  for (std::size_t n = graph.nodes.size(); n-- > 0;)
    if (live[n])
      for (int input : graph.nodes[n].inputs) live[std::size_t(input)] = true;

  std::vector<int> moved_to(graph.nodes.size(), -1);
  std::vector<Node> kept;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!live[n]) continue;
    Node node = std::move(graph.nodes[n]);
    for (int& input : node.inputs) input = moved_to[std::size_t(input)];
    moved_to[n] = int(kept.size());
    kept.push_back(std::move(node));
  }
  graph.nodes = std::move(kept);
  graph.move_results(moved_to);
}

}  // namespace metatape
