#include "engine/exec/step.h"

#include <utility>

namespace metatape {

Placement::Placement(const Program& program, void* arena, SlotAddress slot_address)
    : program_(program),
      arena_(static_cast<std::byte*>(arena)),
      slot_address_(std::move(slot_address)) {}

bool Placement::in_arena(int node) const {
  return program_.plan.storage_of[std::size_t(node)] >= 0;
}

void* Placement::at(int storage) const {
  return storage < 0 ? nullptr : arena_ + program_.plan.storages[std::size_t(storage)].offset;
}

void* Placement::address(int node) const {
  if (in_arena(node)) return at(program_.plan.storage_of[std::size_t(node)]);
  const Graph& graph = program_.graph;
  while (op_def(graph.nodes[std::size_t(node)].op).view)
    node = graph.nodes[std::size_t(node)].inputs[0];
  return slot_address_(graph.slot_of(node));
}

std::vector<Step> Placement::steps() const {
  const Graph& graph = program_.graph;
  const Plan& plan = program_.plan;
  std::vector<Step> steps;
  for (int n = 0; n < int(graph.nodes.size()); ++n) {
    const Node& node = graph.nodes[std::size_t(n)];
    if (!runs(op_def(node.op))) continue;
    Step step{.node = n,
              .in_types = graph.input_types(node),
              .in = {},
              .out = address(n),
              .workspace = at(plan.workspace_of[std::size_t(n)]),
              .status = static_cast<kernels::MatrixStatus*>(at(plan.status_of[std::size_t(n)]))};
    for (int input : node.inputs) step.in.push_back(address(input));
    steps.push_back(std::move(step));
  }
  return steps;
}

KernelCall Placement::call(const Step& s) const {
  const Node& node = program_.graph.nodes[std::size_t(s.node)];
  return {node.op, s.in_types, s.in, node.type, s.out, node.attr, s.workspace, s.status};
}

}  // namespace metatape
