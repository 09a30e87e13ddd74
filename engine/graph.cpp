#include "engine/graph.h"

#include <unordered_set>

namespace metatape {

const Slot& Graph::slot_of(int node) const {
  return tape->slots()[std::size_t(nodes[std::size_t(node)].attr.as<SlotAttr>().slot)];
}

std::vector<ValueType> Graph::input_types(const Node& node) const {
  std::vector<ValueType> types;
  for (int input : node.inputs) types.push_back(nodes[std::size_t(input)].type);
  return types;
}

void Graph::move_results(std::span<const int> moved_to) {
  for (int& id : fetches) id = moved_to[std::size_t(id)];
  for (StateUpdate& u : updates)
    u = {moved_to[std::size_t(u.state)], moved_to[std::size_t(u.value)]};
}

Graph extract_graph(const Tape& tape, std::span<const Var> fetch, std::span<const Update> update) {
  Graph graph{.tape = &tape};
  graph.nodes.reserve(std::size_t(tape.size()));
  for (int id = 0; id < tape.size(); ++id) {
    const Instr& i = tape.at(id);
    graph.nodes.push_back({i.op, {i.shape, i.dtype}, i.inputs, i.attr, i.generation, id});
  }
  for (const Var& v : fetch) {
    if (v.tape != &tape) fail(ErrorKind::usage, "compile", "a fetched value is not of this tape");
    graph.fetches.push_back(v.id);
  }
  std::unordered_set<int> updated;
  for (const Update& u : update) {
    if (u.state.tape != &tape || u.value.tape != &tape || tape.at(u.state.id).op != OpId::state)
      fail(ErrorKind::usage, "compile", "an update needs a state and a value of this tape");
    const std::string& name = graph.slot_of(u.state.id).name;
    if (u.state.shape() != u.value.shape() || u.state.dtype() != u.value.dtype())
      fail(ErrorKind::shape, "compile", "state {} is {} {}, its update is {} {}", name,
           dtype_name(u.state.dtype()), u.state.shape().str(), dtype_name(u.value.dtype()),
           u.value.shape().str());
    if (!updated.insert(u.state.id).second)
      fail(ErrorKind::usage, "compile", "state {} is updated twice", name);
    graph.updates.push_back({u.state.id, u.value.id});
  }
  return graph;
}

}  // namespace metatape
