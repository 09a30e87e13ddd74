#include "engine/program.h"

namespace metatape {

Program compile(const Tape& tape, const CompileOptions& options) {
  Program program;
  program.target = options.target;
  Graph& graph = program.graph;
  graph = extract_graph(tape, options.fetch, options.update);
  remove_dead_code(graph);
  if (options.merge_common) merge_common_subexpressions(graph);
  fold_broadcasts(graph);
  remove_dead_code(graph);
  if (options.share_sums) {
    share_sums(graph, program.target.device);
    join_moments(graph, program.target.device);
    remove_dead_code(graph);
  }
  if (options.fuse) {
    fuse(graph, program.target.device);
    remove_dead_code(graph);
  }
  if (options.rematerialise && options.plan.share_memory) rematerialise(graph, program.target);
  verify(graph);
  program.plan = make_plan(graph, program.target, options.plan);
  return program;
}

int Program::instruction_count() const {
  int count = 0;
  for (const Node& node : graph.nodes) count += runs(op_def(node.op));
  return count;
}

Cost Program::cost() const {
  Cost total;
  for (const Node& node : graph.nodes) {
    const std::vector<ValueType> in = graph.input_types(node);
    const Cost c = instruction_cost(node.op, {in, node.type, node.attr});
    total.flops += c.flops;
    total.bytes += c.bytes;
  }
  return total;
}

}  // namespace metatape
