#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/autodiff.h"
#include "engine/dump.h"
#include "engine/exec/cpu_executor.h"
#include "engine/passes/fused_group.h"
#include "tests/support/maml_tape.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

int count(const Graph& graph, OpId op) {
  int found = 0;
  for (const Node& node : graph.nodes) found += node.op == op;
  return found;
}

Program program_of(const Tape& tape, const std::vector<Var>& fetch, bool fuse = true,
                   int threads = 1) {
  return compile(
      tape, {.fetch = fetch, .target = {.threads = threads}, .fuse = fuse, .rematerialise = false});
}

const FusedGroup& only_group(const Program& program) {
  EXPECT_EQ(program.graph.fused_groups.size(), 1u);
  return *program.graph.fused_groups.at(0);
}

/// Large enough that traffic decides, not the cost of an instruction.
const Shape kLarge = Shape{50, 40, 8}.with_tasks(2);
const Shape kChannels = Shape{8}.with_tasks(2);

TEST(Fuse, MakesOneInstructionOfAChain) {
  Sandbox s;
  const Var x = s.zeros(kLarge), scale = s.zeros(kChannels), shift = s.zeros({8});
  const Program program = program_of(s.tape, {relu(x * scale + shift)});
  EXPECT_EQ(program.instruction_count(), 1);
  EXPECT_EQ(only_group(program).expression.operations, 3);
  EXPECT_EQ(only_group(program).expression.operands, 3);
  EXPECT_EQ(only_group(program).instructions, (std::vector<int>{3, 4, 5}));
}

TEST(Fuse, LeavesASingleOperationAsItIs) {
  Sandbox s;
  const Program program = program_of(s.tape, {exp(s.zeros(kLarge)), sum(s.zeros(kLarge))});
  EXPECT_EQ(program.graph.fused_groups.size(), 0u);
  EXPECT_EQ(count(program.graph, OpId::exp), 1);
  EXPECT_EQ(count(program.graph, OpId::sum_to), 1);
}

TEST(Fuse, SumsAnExpressionWithoutWritingIt) {
  Sandbox s;
  const Var x = s.zeros(kLarge), mean = s.zeros(kChannels);
  const Var centred = x - mean;
  const Program program = program_of(s.tape, {sum_product_to(centred, centred, kChannels)});
  EXPECT_EQ(program.instruction_count(), 1);
  EXPECT_EQ(count(program.graph, OpId::fused_sum), 1);
  EXPECT_EQ(only_group(program).loops, kLarge);
  EXPECT_EQ(only_group(program).result, kChannels);
  EXPECT_EQ(only_group(program).expression.operations, 2);
}

/// A block of a network with max-pooling, and the gradient of its operand.
struct PooledBlock {
  explicit PooledBlock(PoolOptions pool = {}) {
    std::vector<double> elements;
    for (std::int64_t i = 0; i < kImages.elements(); ++i)
      elements.push_back(std::sin(0.7 + 1.3 * double(i)));
    x = s.value(kImages, elements);
    scale = s.value(kChannels, {1, -2, 3, -4, 5, -6, 7, 8, 2, 1, -2, 3, -4, 5, -6, 7});
    y = max_pool2d(x * scale + 0.25, pool);
    gradient = grad(sum_tasks(sum(square(y))), {&x, 1})[0];
  }
  static inline const Shape kImages = Shape{5, 21, 20, 8}.with_tasks(2);

  Sandbox s;
  Var x, scale, y, gradient;
};

TEST(Fuse, FindsMaximaOfAnExpressionWithoutWritingIt) {
  const PooledBlock block;
  const Program program = program_of(block.s.tape, {block.y});
  EXPECT_EQ(count(program.graph, OpId::fused_pool_index), 1);
  EXPECT_EQ(count(program.graph, OpId::max_pool_index), 0);
  for (const Node& node : program.graph.nodes)
    EXPECT_TRUE(node.op == OpId::state || node.type.shape != PooledBlock::kImages);
}

TEST(Fuse, ScattersWithinAnExpression) {
  const PooledBlock block;
  const Program program = program_of(block.s.tape, {block.gradient});
  EXPECT_EQ(count(program.graph, OpId::pool_scatter), 0);
  const Node& last = program.graph.nodes[std::size_t(program.graph.fetches[0])];
  ASSERT_EQ(last.op, OpId::fused);
  const FusedGroup& group = *last.attr.as<FusedAttr>().group;
  EXPECT_EQ(group.expression.scattered, 0b01);
  EXPECT_EQ(group.scattered_to, PooledBlock::kImages);
  EXPECT_NE(dump(program).find("mul(scattered %a, %b)"), std::string::npos);
}

// What two windows give an element has to be added.
TEST(Fuse, DoesNotScatterOverlappingWindowsWithinAnExpression) {
  const PooledBlock block({.window = 3, .stride = 2});
  EXPECT_EQ(count(program_of(block.s.tape, {block.gradient}).graph, OpId::pool_scatter), 1);
}

TEST(Fuse, PoolsAndScattersToTheSameBits) {
  for (const PoolOptions& pool : {PoolOptions{}, PoolOptions{.window = 3, .stride = 2}}) {
    const PooledBlock block(pool);
    std::vector<std::vector<double>> results;
    for (bool fuse : {true, false}) {
      const Program program = program_of(block.s.tape, {block.y, block.gradient}, fuse);
      StateStore store = block.s.store;
      CpuExecutor executor(program, store);
      executor.run();
      for (std::size_t k : {0, 1}) results.push_back(executor.fetch(k).values());
    }
    EXPECT_EQ(results[0], results[2]);
    EXPECT_EQ(results[1], results[3]);
    EXPECT_TRUE(std::ranges::any_of(results[1], [](double v) { return v != 0; }));
  }
}

TEST(Fuse, ComputesACheapValueInEachOfItsReaders) {
  Sandbox s;
  const Var x = s.zeros(kLarge), mean = s.zeros(kChannels), centred = x - mean;
  const Program program =
      program_of(s.tape, {sum_to(relu(centred), kChannels), sum_to(square(centred), kChannels)});
  EXPECT_EQ(program.instruction_count(), 2);
  EXPECT_EQ(count(program.graph, OpId::fused_sum), 2);
}

TEST(Fuse, KeepsAnExpensiveValueThatHasTwoReaders) {
  Sandbox s;
  const Var x = s.zeros(kLarge), e = exp(x);
  const Program program = program_of(s.tape, {sum_to(relu(e), kChannels), e * x + 1.0});
  EXPECT_EQ(count(program.graph, OpId::exp), 1);
  EXPECT_EQ(program.instruction_count(), 3);
}

TEST(Fuse, KeepsASmallValueOutOfTheLoopsOfALargeOne) {
  Sandbox s;
  const Var x = s.zeros(kLarge), scale = s.zeros(kChannels);
  const Program program = program_of(s.tape, {x * rsqrt(scale + 1.0)});
  EXPECT_EQ(program.instruction_count(), 2) << "the factor of a channel, and the product";
}

TEST(Fuse, KeepsWhatIsFetchedAndWhatAMatmulReads) {
  Sandbox s;
  const Var x = s.zeros({60, 60}), y = x * 2.0 + 1.0, fetched = square(y);
  const Program program = program_of(s.tape, {fetched, matmul(y, y), relu(fetched)});
  const Graph& graph = program.graph;
  EXPECT_EQ(count(graph, OpId::matmul), 1);
  for (int id : graph.fetches) EXPECT_GE(program.plan.storage_of[std::size_t(id)], 0);
  EXPECT_EQ(program.instruction_count(), 4);
}

TEST(Fuse, LooksThroughAStopGradient) {
  Sandbox s;
  const Var x = s.zeros(kLarge);
  EXPECT_EQ(program_of(s.tape, {x - stop_gradient(2.0 * x)}).instruction_count(), 1);
}

TEST(Fuse, ComputesEqualValuesOfTwoRecomputationsOnce) {
  Sandbox s;
  const Var x = s.zeros(kLarge);
  Var y;
  {
    const RecomputeSegment segment(s.tape);
    y = exp(x);
  }
  const Program program = program_of(s.tape, {y * 1.0 + grad(sum(y), {&x, 1})[0] * 2.0});
  for (const auto& group : program.graph.fused_groups) {
    int exponentials = 0;
    for (int i = 0; i < group->expression.operations; ++i)
      exponentials +=
          group->expression.code[std::size_t(i)].function == kernels::ElementwiseFunction::exp_;
    EXPECT_LE(exponentials, 1);
  }
}

TEST(Fuse, CutsWhatIsTooLongForOneExpression) {
  Sandbox s;
  Var y = s.value({3}, {0.1, 0.2, 0.3});
  for (int i = 0; i < 100; ++i) y = affine(y, 0.99, 0.001);
  const Program program = program_of(s.tape, {y});
  EXPECT_EQ(program.instruction_count(), 5) << "100 operations, 24 at most in one";
  for (const auto& group : program.graph.fused_groups)
    EXPECT_LE(group->expression.operations, kernels::kMaxFusedOperations);
}

TEST(Fuse, CutsWhatReadsTooManyValues) {
  Sandbox s;
  Var total = s.zeros(kLarge);
  for (int i = 0; i < 20; ++i) total = total + s.zeros(kLarge);
  const Program program = program_of(s.tape, {total});
  EXPECT_EQ(program.instruction_count(), 3) << "21 values, 8 at most read by one";
  for (const auto& group : program.graph.fused_groups)
    EXPECT_LE(group->expression.operands, kernels::kMaxFusedOperands);
}

TEST(Fuse, WritesOntoAnOperandThatDies) {
  Sandbox s;
  const Var x = s.tape.input("x", {64, 64}, DType::f64), y = matmul(x, x);
  const Program program = program_of(s.tape, {relu(y * 2.0 + 1.0)});
  EXPECT_EQ(program.plan.arena_bytes, std::size_t(64 * 64 * 8));
}

TEST(Fuse, KeepsASumRatherThanItsTermsOverThePeak) {
  Sandbox s;
  const Var x = s.tape.input("x", {64, 64}, DType::f64),
            y = s.tape.input("y", {64, 256}, DType::f64);
  const Var total = matmul(x, x) + matmul(x, x, {.transpose_b = true});
  const Var wide = matmul(x, y), later = matmul(wide, wide, {.transpose_b = true});
  const std::vector<Var> fetch{total * later};
  const Program fused = program_of(s.tape, fetch), plain = program_of(s.tape, fetch, false);
  EXPECT_EQ(fused.plan.arena_bytes, std::size_t((1 + 4 + 1) * 64 * 64 * 8));
  EXPECT_EQ(fused.plan.arena_bytes, plain.plan.arena_bytes);
  EXPECT_EQ(fused.graph.fused_groups.size(), 0u);
  EXPECT_EQ(program_of(s.tape, {total * x}).graph.fused_groups.size(), 1u) << "without the peak";
}

TEST(Fuse, NamesTheLastOfItsInstructions) {
  Sandbox s;
  const Var x = s.value({2}, {1, -1});
  const Program program = program_of(s.tape, {affine(log(x), 2, 1) * x});
  CpuExecutor executor(program, s.store);
  executor.run();
  EXPECT_EQ(executor.find_nonfinite().substr(0, 12), "%3 = mul(%2,");
}

TEST(Fuse, IsPrintedAsAnExpression) {
  Sandbox s;
  const Var x = s.zeros(kLarge), mean = s.zeros(kChannels);
  const std::string text = dump(program_of(s.tape, {sum_to(relu(x - mean), kChannels)}));
  EXPECT_NE(text.find("%2 = fused_sum(%0, %1) {t1 = sub(%a, %b); relu(t1, 0)} over 2x[50,40,8] to "
                      "2x[8] : f64 2x[8]"),
            std::string::npos)
      << text;
}

// ---- whole programs ----------------------------------------------------------------------------

std::vector<Tensor> run(const MamlTape& maml, const Program& program) {
  StateStore store = maml.store;
  CpuExecutor executor(program, store);
  maml.feed(executor);
  executor.run();
  std::vector<Tensor> results;
  for (std::size_t k = 0; k < program.graph.fetches.size(); ++k)
    results.push_back(executor.fetch(k));
  return results;
}

class FuseMaml : public testing::TestWithParam<MamlOptions> {};

TEST_P(FuseMaml, KeepsTheBitsAndTheMemoryAndSavesTraffic) {
  const MamlTape maml(GetParam());
  const Program fused = program_of(maml.tape, maml.fetches());
  const Program plain = program_of(maml.tape, maml.fetches(), false);
  const std::vector<Tensor> results = run(maml, plain);
  const std::vector<double> gradient = results[1].values();
  ASSERT_TRUE(std::ranges::all_of(gradient, [](double g) { return std::isfinite(g); }));
  ASSERT_TRUE(std::ranges::any_of(gradient, [](double g) { return g != 0; }));
  EXPECT_EQ(run(maml, fused), results);
  EXPECT_EQ(run(maml, program_of(maml.tape, maml.fetches(), true, 2)), results);
  EXPECT_LE(fused.plan.live_bound_bytes, plain.plan.live_bound_bytes);
  EXPECT_LE(fused.plan.arena_bytes, plain.plan.arena_bytes);
  EXPECT_LT(fused.cost().bytes, 0.75 * plain.cost().bytes);
  EXPECT_LT(2 * fused.instruction_count(), plain.instruction_count() * 1.1);
}

INSTANTIATE_TEST_SUITE_P(
    Programs, FuseMaml,
    testing::Values(MamlOptions{.steps = 1}, MamlOptions{.steps = 3},
                    MamlOptions{.steps = 3, .recompute = true},
                    MamlOptions{.steps = 2, .first_order = true},
                    MamlOptions{.steps = 2, .dtype = DType::f32},
                    MamlOptions{.steps = 2, .tasks = 1, .ways = 2, .images = 2, .filters = 3},
                    MamlOptions{.steps = 2, .size = 12, .filters = 16, .recompute = true}));

}  // namespace
}  // namespace metatape
