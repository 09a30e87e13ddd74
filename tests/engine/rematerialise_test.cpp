#include <gtest/gtest.h>

#include <algorithm>

#include "engine/autodiff.h"
#include "engine/exec/cpu_executor.h"
#include "engine/ops.h"
#include "tests/support/maml_tape.h"

namespace metatape {
namespace {

constexpr std::int64_t kLong = 1 << 14;

/// A value of w is read at the beginning and at the end; between them five others of its size are
/// alive at once.
struct Waiting {
  explicit Waiting(bool operand_stays) {
    const Var w = tape.state("w", {kLong}, DType::f64);
    waiting = operand_stays ? relu(w) : relu(square(w));  // the square is gone after its reader
    std::vector<Var> roots{sqrt(sum(square(waiting)) + 1.0 + square(w))};
    while (roots.size() < 5) roots.push_back(sqrt(roots.back() + 1.0));
    Var products = roots[0];
    for (std::size_t k = roots.size(); k-- > 1;) products = products * roots[k];
    result = sum(waiting * sum(products));
  }

  Tape tape;
  Var waiting, result;
};

/// Its activations are large beside the cost of an instruction.
constexpr MamlOptions kMaml{.steps = 3, .images = 12, .size = 16, .filters = 8};

Program compiled(const Tape& tape, const std::vector<Var>& fetch, bool rematerialise) {
  return compile(tape, {.fetch = fetch, .fuse = false, .rematerialise = rematerialise});
}

std::ptrdiff_t count(const Program& program, OpId op) {
  return std::ranges::count(program.graph.nodes, op, &Node::op);
}

double value_of(const Program& program) {
  StateStore store;
  std::vector<double> w(kLong);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = 1e-3 * double(i % 97) - 0.04;
  store["w"] = Tensor::of<double>({kLong}, DType::f64, w);
  CpuExecutor executor(program, store);
  executor.run();
  return executor.fetch(0).at(0);
}

TEST(Rematerialise, ComputesAgainWhatItsReaderWaitsFor) {
  const Waiting tape(true);
  const Program kept = compiled(tape.tape, {tape.result}, false);
  const Program again = compiled(tape.tape, {tape.result}, true);
  EXPECT_EQ(count(kept, OpId::relu), 1);
  EXPECT_EQ(count(again, OpId::relu), 2);
  EXPECT_LE(again.plan.arena_bytes + kLong * sizeof(double), kept.plan.arena_bytes);
  EXPECT_NE(value_of(kept), 0);
  EXPECT_EQ(value_of(again), value_of(kept));
}

TEST(Rematerialise, GoesBackOverWhatIsGone) {
  const Waiting tape(false);
  const Program kept = compiled(tape.tape, {tape.result}, false);
  const Program again = compiled(tape.tape, {tape.result}, true);
  EXPECT_GT(count(again, OpId::relu), count(kept, OpId::relu));
  EXPECT_GT(count(again, OpId::square), count(kept, OpId::square));
  EXPECT_LT(again.plan.arena_bytes, kept.plan.arena_bytes);
  EXPECT_EQ(value_of(again), value_of(kept));
}

TEST(Rematerialise, LeavesWhatIsFetched) {
  const Waiting tape(true);
  const Program again = compiled(tape.tape, {tape.result, tape.waiting}, true);
  EXPECT_EQ(count(again, OpId::relu), 1);
}

TEST(Rematerialise, NeverRepeatsWhatCostsMoreThanItsBytes) {
  const MamlTape maml(kMaml);
  const Program kept = compile(maml.tape, {.fetch = maml.fetches(), .rematerialise = false});
  const Program again = compile(maml.tape, {.fetch = maml.fetches()});
  EXPECT_LT(again.plan.arena_bytes, kept.plan.arena_bytes);
  EXPECT_LT(again.cost().bytes, 1.2 * kept.cost().bytes);
  EXPECT_EQ(again.plan.resident_bytes, kept.plan.resident_bytes) << "slots are not copied";
}

TEST(Rematerialise, KeepsTheBitsOfAMetaGradient) {
  MamlTape maml(kMaml);
  std::vector<std::vector<Tensor>> results;
  for (const bool rematerialise : {false, true}) {
    const Program program =
        compile(maml.tape, {.fetch = maml.fetches(), .rematerialise = rematerialise});
    CpuExecutor executor(program, maml.store);
    maml.feed(executor);
    executor.run();
    results.emplace_back();
    for (std::size_t k = 0; k < maml.fetches().size(); ++k)
      results.back().push_back(executor.fetch(k));
  }
  EXPECT_EQ(results[0], results[1]);
}

}  // namespace
}  // namespace metatape
