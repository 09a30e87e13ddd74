#include "engine/graph.h"

namespace metatape {

void verify(const Graph& graph) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const Instr& recorded = graph.tape->at(node.instruction);
    auto broken = [&](const std::string& what) {
      fail_at(recorded.where, ErrorKind::internal, op_name(node.op), "node {}, instruction {}: {}",
              n, node.instruction, what);
    };
    for (int input : node.inputs)
      if (input < 0 || std::size_t(input) >= n)
        broken(fmt::format("operand {} does not precede it", input));
    ValueType expected{recorded.shape, recorded.dtype};
    if (node.op != OpId::input && node.op != OpId::state)
      expected =
          op_def(node.op).infer({node.op, graph.input_types(node), node.attr, recorded.where});
    if (node.type != expected)
      broken(fmt::format("has type {}, its rule gives {}", node.type.shape.str(),
                         expected.shape.str()));
  }
  auto exists = [&](int id) { return id >= 0 && std::size_t(id) < graph.nodes.size(); };
  for (int id : graph.fetches)
    if (!exists(id)) fail(ErrorKind::internal, "verify", "fetch of a missing node {}", id);
  for (const StateUpdate& u : graph.updates)
    if (!exists(u.value) || !exists(u.state) || graph.nodes[std::size_t(u.state)].op != OpId::state)
      fail(ErrorKind::internal, "verify", "update of node {} by node {}", u.state, u.value);
}

}  // namespace metatape
