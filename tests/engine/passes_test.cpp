#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "engine/exec/cpu_executor.h"
#include "engine/graph.h"
#include "tests/support/expect_error.h"
#include "tests/support/maml_tape.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

int count(const Graph& graph, OpId op) {
  int found = 0;
  for (const Node& node : graph.nodes) found += node.op == op;
  return found;
}

/// Runs a graph as it is, every value in its own place.
std::vector<Tensor> run(const Graph& graph, StateStore store, const StateStore& inputs = {}) {
  Program program{.graph = graph, .plan = {}, .target = {}};
  remove_dead_code(program.graph);
  program.plan = make_plan(program.graph, program.target, {.share_memory = false});
  CpuExecutor executor(program, store);
  for (const auto& [name, value] : inputs)
    if (executor.has_input(name)) executor.feed(name, value);
  executor.run();
  std::vector<Tensor> results;
  for (std::size_t k = 0; k < graph.fetches.size(); ++k) results.push_back(executor.fetch(k));
  return results;
}

Graph graph_of(const Tape& tape, std::vector<Var> fetch) { return extract_graph(tape, fetch, {}); }

TEST(DeadCode, KeepsExactlyWhatIsNeeded) {
  Sandbox s;
  const Var x = s.scalar(2), wanted = exp(x), unwanted = sin(x), other = s.scalar(3);
  const Var updated = other + wanted;
  const Var fetch[] = {wanted};
  const Update update[] = {{other, updated}};
  Graph graph = extract_graph(s.tape, fetch, update);
  remove_dead_code(graph);
  EXPECT_EQ(count(graph, OpId::sin), 0) << "instruction " << unwanted.id;
  ASSERT_EQ(graph.nodes.size(), 4u);
  EXPECT_EQ(graph.nodes[std::size_t(graph.fetches[0])].op, OpId::exp);
  EXPECT_EQ(graph.nodes[std::size_t(graph.updates[0].value)].op, OpId::add);
  EXPECT_EQ(graph.slot_of(graph.updates[0].state).name, "value/1");
  verify(graph);
}

TEST(DeadCode, KeepsAStateThatIsOnlyWritten) {
  Sandbox s;
  const Var x = s.scalar(2), target = s.scalar(0);
  const Update update[] = {{target, square(x)}};
  Graph graph = extract_graph(s.tape, {}, update);
  remove_dead_code(graph);
  EXPECT_EQ(count(graph, OpId::state), 2);
}

TEST(CommonSubexpressions, MergesEqualOnesOnly) {
  Sandbox s;
  const Var x = s.scalar(2);
  const Var same = exp(2.0 * x) + exp(2.0 * x), differ = (2.0 * x) * (3.0 * x);
  Graph graph = graph_of(s.tape, {same, differ});
  merge_common_subexpressions(graph);
  remove_dead_code(graph);
  EXPECT_EQ(count(graph, OpId::exp), 1);
  EXPECT_EQ(count(graph, OpId::affine), 2);
  EXPECT_EQ(run(graph, s.store)[0].at(0), 2 * std::exp(4.0));
  EXPECT_EQ(run(graph, s.store)[1].at(0), 24);
}

TEST(CommonSubexpressions, FetchesAndUpdatesFollow) {
  Sandbox s;
  const Var x = s.scalar(2), first = square(x), second = square(x);
  const Var fetch[] = {first, second};
  const Update update[] = {{x, second}};
  Graph graph = extract_graph(s.tape, fetch, update);
  merge_common_subexpressions(graph);
  EXPECT_EQ(graph.fetches[0], graph.fetches[1]);
  EXPECT_EQ(graph.updates[0].value, graph.fetches[0]);
}

TEST(CommonSubexpressions, KeepsRecomputationsApart) {
  Sandbox s;
  const Var x = s.scalar(2);
  Var y;
  {
    const RecomputeSegment segment(s.tape);
    y = exp(exp(x));
  }
  Graph graph = graph_of(s.tape, {y, grad(square(y), {&x, 1})[0]});
  remove_dead_code(graph);
  const int before = count(graph, OpId::exp);
  merge_common_subexpressions(graph);
  remove_dead_code(graph);
  EXPECT_EQ(before, 4) << "recorded and recomputed";
  EXPECT_EQ(count(graph, OpId::exp), before);
}

TEST(FoldBroadcasts, DropsCopiesAndKeepsTheBits) {
  MamlTape maml({.steps = 2});
  Graph graph = graph_of(maml.tape, maml.fetches());
  remove_dead_code(graph);
  const auto expected = run(graph, maml.store, maml.inputs);
  const int copies = count(graph, OpId::broadcast_to);
  fold_broadcasts(graph);
  remove_dead_code(graph);
  EXPECT_LT(2 * count(graph, OpId::broadcast_to), copies);
  verify(graph);
  EXPECT_EQ(run(graph, maml.store, maml.inputs), expected);
}

TEST(FoldBroadcasts, KeepsACopyThatItsReaderCannotStretch) {
  Sandbox s;
  const Var x = s.value({2}, {1, 2});
  Graph graph = graph_of(s.tape, {exp(broadcast_tasks(x, 3))});
  fold_broadcasts(graph);
  remove_dead_code(graph);
  EXPECT_EQ(count(graph, OpId::broadcast_to), 1);
}

TEST(FoldBroadcasts, KeepsTheRepetitionsThatASumCounts) {
  Sandbox s;
  const Var a = broadcast_tasks(s.value({2}, {1, 2}), 3);
  const Var b = broadcast_tasks(s.value({2}, {10, 20}), 3);
  Graph graph = graph_of(s.tape, {sum_product_to(a, b, {})});
  fold_broadcasts(graph);
  EXPECT_EQ(run(graph, s.store)[0].at(0), 3 * (10 + 40));
}

TEST(FoldBroadcasts, KeepsTheTaskCountOfASharedGradient) {
  Sandbox s;
  const Var w = s.value({2}, {1, 2}), x = s.value({2}, {10, 20});
  const Var loss = sum_tasks(sum(broadcast_tasks(x, 3) * w));
  EXPECT_EQ(s.run(grad(loss, {&w, 1})[0]), (Elements{30, 60}));
}

/// x -> exp -> sin, to be broken.
struct Chain {
  Sandbox s;
  Graph graph;
  Chain() {
    const Var x = s.value({2}, {1, 2});
    graph = graph_of(s.tape, {sin(exp(x))});
    verify(graph);
  }
};

TEST(Verify, CatchesAnOperandThatComesLater) {
  Chain c;
  c.graph.nodes[1].inputs[0] = 2;
  expect_error(ErrorKind::internal, "node 1, instruction 1: operand 2 does not precede it",
               [&] { verify(c.graph); });
  c.graph.nodes[1].inputs[0] = -1;
  expect_error(ErrorKind::internal, "operand -1 does not precede it", [&] { verify(c.graph); });
}

TEST(Verify, CatchesAWrongType) {
  Chain c;
  c.graph.nodes[1].type.shape = {3};
  expect_error(ErrorKind::internal, "has type [3], its rule gives [2]", [&] { verify(c.graph); });
}

TEST(Verify, CatchesMissingFetchesAndUpdates) {
  Chain c;
  c.graph.fetches = {7};
  expect_error(ErrorKind::internal, "fetch of a missing node 7", [&] { verify(c.graph); });
  c.graph.fetches = {2};
  c.graph.updates = {{1, 2}};
  expect_error(ErrorKind::internal, "update of node 1 by node 2", [&] { verify(c.graph); });
  c.graph.updates = {{0, 9}};
  expect_error(ErrorKind::internal, "update of node 0 by node 9", [&] { verify(c.graph); });
}

TEST(Compile, RefusesRequestsThatDoNotFitTheTape) {
  Sandbox s, other;
  const Var x = s.scalar(2), y = exp(x), foreign = other.scalar(2);
  auto compiled = [&](const std::vector<Var>& fetch, const std::vector<Update>& update) {
    compile(s.tape, {.fetch = fetch, .update = update});
  };
  expect_error(ErrorKind::usage, "a fetched value is not of this tape",
               [&] { compiled({foreign}, {}); });
  expect_error(ErrorKind::usage, "an update needs a state and a value of this tape", [&] {
    compiled({}, {{y, x}});
  });
  expect_error(ErrorKind::shape, "state value/0 is f64 [], its update is f64 [2]", [&] {
    compiled({}, {{x, broadcast_to(y, {2})}});
  });
  expect_error(ErrorKind::usage, "state value/0 is updated twice", [&] {
    compiled({}, {{x, y}, {x, y}});
  });
}

}  // namespace
}  // namespace metatape
