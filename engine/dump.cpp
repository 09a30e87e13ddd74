#include "engine/dump.h"

#include "engine/op.h"

namespace metatape {
namespace {

std::string line(OpId op, int id, const std::vector<int>& inputs, const Attr& attr,
                 const ValueType& type) {
  std::string text = fmt::format("%{} = {}(", id, op_name(op));
  for (std::size_t k = 0; k < inputs.size(); ++k)
    text += fmt::format("{}%{}", k ? ", " : "", inputs[k]);
  text += ')';
  if (op_def(op).describe) text += " " + op_def(op).describe(attr);
  return text + fmt::format(" : {} {}", dtype_name(type.dtype), type.shape.str());
}

std::string slot_name(const Tape& tape, OpId op, const Attr& attr) {
  if (op != OpId::input && op != OpId::state) return "";
  return fmt::format(" \"{}\"", tape.slots()[std::size_t(attr.as<SlotAttr>().slot)].name);
}

std::string comment(const Tape& tape, const Instr& i) {
  std::string text = tape.scope_name(i.scope);
  if (i.generation) text += text.empty() ? "recomputed" : ", recomputed";
  return text.empty() ? "" : "  # " + text;
}

}  // namespace

std::string describe_instruction(const Tape& tape, int id) {
  const Instr& i = tape.at(id);
  return line(i.op, id, i.inputs, i.attr, {i.shape, i.dtype}) + slot_name(tape, i.op, i.attr) +
         comment(tape, i);
}

std::string dump(const Tape& tape) {
  std::string text;
  for (int id = 0; id < tape.size(); ++id) text += describe_instruction(tape, id) + "\n";
  return text;
}

std::string dump(const Program& program) {
  const Graph& graph = program.graph;
  std::string text;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    text += line(node.op, int(n), node.inputs, node.attr, node.type) +
            slot_name(*graph.tape, node.op, node.attr);
    const int storage = program.plan.storage_of[n];
    if (storage >= 0)
      text += fmt::format(" @{}", program.plan.storages[std::size_t(storage)].offset);
    text += comment(*graph.tape, graph.tape->at(node.instruction)) + "\n";
  }
  return text;
}

}  // namespace metatape
