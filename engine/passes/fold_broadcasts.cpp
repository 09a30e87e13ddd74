#include "engine/graph.h"

namespace metatape {
namespace {

/// May the reader see `narrow` in place of its stretched operand, with the same result?
bool can_read(const Graph& graph, const Node& reader, std::size_t operand, const Node& narrow) {
  const Broadcasts ability = op_def(reader.op).broadcasts;
  const ValueType& wide = graph.nodes[std::size_t(reader.inputs[operand])].type;
  if (ability == Broadcasts::none) return false;
  if (ability == Broadcasts::tasks && narrow.type.shape.with_tasks(1) != wide.shape.with_tasks(1))
    return false;
  std::vector<ValueType> types = graph.input_types(reader);
  Shape before, after;
  if (types.size() == 2) broadcast_shapes(types[0].shape, types[1].shape, &before);
  types[operand] = narrow.type;
  if (types.size() == 2) broadcast_shapes(types[0].shape, types[1].shape, &after);
  if (reader.op == OpId::sum_product_to && before != after)
    return false;  // it sums over an axis that only this stretching gives
  try {
    return op_def(reader.op).infer({reader.op, types, reader.attr, Loc::current()}) == reader.type;
  } catch (const Error&) {
    return false;  // the other operands do not stretch this one any more
  }
}

}  // namespace

void fold_broadcasts(Graph& graph) {
  for (Node& reader : graph.nodes)
    for (std::size_t k = 0; k < reader.inputs.size(); ++k) {
      const Node* operand = &graph.nodes[std::size_t(reader.inputs[k])];
      while (operand->op == OpId::broadcast_to &&
             can_read(graph, reader, k, graph.nodes[std::size_t(operand->inputs[0])])) {
        reader.inputs[k] = operand->inputs[0];
        operand = &graph.nodes[std::size_t(reader.inputs[k])];
      }
    }
}

}  // namespace metatape
