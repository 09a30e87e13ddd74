#include <gtest/gtest.h>

#include <cmath>

#include "engine/autodiff.h"
#include "engine/exec/cpu_executor.h"
#include "tests/support/maml_tape.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

/// Large enough that traffic decides, not the cost of an instruction.
const Shape kImages = Shape{6, 20, 22, 8}.with_tasks(3);
const Shape kChannels = Shape{1, 1, 1, 8}.with_tasks(3);

/// A value with no two elements alike.
Var uneven(Sandbox& s, const Shape& shape) {
  std::vector<double> elements;
  for (std::int64_t i = 0; i < shape.elements(); ++i)
    elements.push_back(std::sin(0.7 + 1.3 * double(i + shape.rank())));
  return s.value(shape, elements);
}

Program program_of(const Tape& tape, const std::vector<Var>& fetch, bool share_sums = true,
                   bool fuse = false) {
  return compile(tape,
                 {.fetch = fetch, .share_sums = share_sums, .fuse = fuse, .rematerialise = false});
}

std::vector<Tensor> run(const Program& program, StateStore store) {
  CpuExecutor executor(program, store);
  executor.run();
  std::vector<Tensor> results;
  for (std::size_t k = 0; k < program.graph.fetches.size(); ++k)
    results.push_back(executor.fetch(k));
  return results;
}

/// Relative to the largest element of each result.
void expect_same_results(const std::vector<Tensor>& shared, const std::vector<Tensor>& apart) {
  ASSERT_EQ(shared.size(), apart.size());
  for (std::size_t k = 0; k < apart.size(); ++k) {
    const std::vector<double> a = shared[k].values(), b = apart[k].values();
    double scale = 0;
    for (double v : b) scale = std::max(scale, std::abs(v));
    ASSERT_TRUE(std::isfinite(scale) && scale > 0) << "result " << k;
    for (std::size_t i = 0; i < b.size(); ++i)
      ASSERT_NEAR(a[i], b[i], tolerance::kExactForms * scale) << "result " << k << ", " << i;
  }
}

/// Instructions of these ops that read a value of all images.
int passes(const Program& program, std::initializer_list<OpId> ops) {
  int found = 0;
  for (const Node& node : program.graph.nodes) {
    bool reads_images = false;
    for (int input : node.inputs)
      reads_images |= program.graph.nodes[std::size_t(input)].type.shape == kImages;
    for (OpId op : ops) found += node.op == op && reads_images;
  }
  return found;
}
int sums(const Program& program) { return passes(program, {OpId::sum_to, OpId::sum_product_to}); }

void expect_sums(Sandbox& s, const std::vector<Var>& fetch, int shared, int apart) {
  const Program with = program_of(s.tape, fetch), without = program_of(s.tape, fetch, false);
  EXPECT_EQ(sums(with), shared);
  EXPECT_EQ(sums(without), apart);
  expect_same_results(run(with, s.store), run(without, s.store));
}

TEST(SharedSums, OfACombinationFollowFromThoseOfItsParts) {
  Sandbox s;
  const Var x = uneven(s, kImages), y = uneven(s, kImages), scale = uneven(s, kChannels);
  const Var shift = uneven(s, Shape{8});
  const Var combination = x * scale - affine(y, 3, 0.5) + shift;
  expect_sums(s, {sum_to(x, kChannels), sum_to(y, kChannels), sum_to(combination, kChannels)}, 2,
              3);
}

TEST(SharedSums, AreOneSumInTwoShapes) {
  Sandbox s;
  const Var x = uneven(s, kImages);
  expect_sums(s, {sum_to(x, kChannels), sum_to(x, Shape{8}.with_tasks(3))}, 1, 2);
}

TEST(SharedSums, NeedFactorsThatDoNotChangeAlongTheSum) {
  Sandbox s;
  const Var x = uneven(s, kImages), rows = uneven(s, Shape{1, 20, 1, 1});
  expect_sums(s, {sum_to(x, kChannels), sum_to(x * rows, kChannels)}, 2, 2);
}

TEST(SharedSums, CountWhatIsRepeatedAlongTheSum) {
  Sandbox s;
  const Var x = uneven(s, kImages), rows = uneven(s, Shape{1, 20, 1, 1});
  expect_sums(s, {sum_to(x, kChannels), sum_to(x + rows, kChannels)}, 1, 2);
}

TEST(SharedSums, OverTasksToo) {
  Sandbox s;
  const Var x = uneven(s, kImages), shared = uneven(s, Shape{8});
  expect_sums(s, {sum_tasks(x), sum_tasks(x * shared + shared)}, 1, 2);
}

TEST(SharedSums, TakeFactorsOutOfProducts) {
  Sandbox s;
  const Var x = uneven(s, kImages), y = uneven(s, kImages), scale = uneven(s, kChannels);
  expect_sums(s, {sum_product_to(x, y, kChannels), sum_product_to(y, x * scale, kChannels)}, 1, 2);
}

// The sum of squares minus the square of the sum would lose the digits of a small variance.
TEST(SharedSums, LeaveProductsOfDifferencesAsTheyAre) {
  Sandbox s;
  const Var x = uneven(s, kImages), centred = x - uneven(s, kChannels);
  const Program program = program_of(
      s.tape, {sum_product_to(x, x, kChannels), sum_product_to(centred, centred, kChannels)});
  EXPECT_EQ(sums(program), 2);
  EXPECT_EQ(passes(program, {OpId::sub}), 1);
}

TEST(SharedSums, RunOverWhatAPoolingScatters) {
  Sandbox s;
  const Var x = uneven(s, kImages), centred = x - uneven(s, kChannels);
  const Var index = max_pool_index(x), pooled = pool_gather(x, index);
  const Var spread = pool_scatter(pooled * pooled, index, 20, 22);
  expect_sums(s, {pooled, sum_to(spread, kChannels), sum_product_to(spread, centred, kChannels)}, 0,
              2);
  EXPECT_EQ(passes(program_of(s.tape, {pooled, sum_product_to(spread, centred, kChannels)}),
                   {OpId::pool_gather, OpId::sub}),
            1)
      << "the gather that is there serves";
}

TEST(SharedSums, GatherBackWhatWasScatteredUnlessWindowsOverlap) {
  for (const PoolOptions& pool : {PoolOptions{}, PoolOptions{.window = 3, .stride = 2}}) {
    const bool overlap = pool.window > pool.stride;
    Sandbox s;
    const Var x = uneven(s, kImages), index = max_pool_index(x, pool);
    const Var small = uneven(s, index.shape());
    const Var back = pool_gather(pool_scatter(small, index, 20, 22, pool) * 2.0, index, pool);
    const Program program = program_of(s.tape, {back});
    EXPECT_EQ(passes(program, {OpId::pool_gather}), overlap ? 1 : 0);
    expect_same_results(run(program, s.store), run(program_of(s.tape, {back}, false), s.store));
  }
}

TEST(SharedSums, GatherBeforeWhatIsComputedElementByElement) {
  Sandbox s;
  const Var x = uneven(s, kImages), scale = uneven(s, kChannels), index = max_pool_index(x);
  const Program program = program_of(s.tape, {pool_gather(relu(x * scale), index)});
  EXPECT_EQ(passes(program, {OpId::mul, OpId::relu}), 0);
  EXPECT_EQ(passes(program, {OpId::pool_gather}), 1);
}

// A gather from each of two operands reads more than one from their sum.
TEST(SharedSums, GatherAfterWhatTakesTwoLargeOperands) {
  Sandbox s;
  const Var x = uneven(s, kImages), y = uneven(s, kImages), index = max_pool_index(x);
  const Program program = program_of(s.tape, {pool_gather(x + y, index)});
  EXPECT_EQ(passes(program, {OpId::pool_gather}), 1);
  EXPECT_EQ(passes(program, {OpId::add}), 1);
}

// A chain of additions that reads each value twice, longer than any stack is deep.
TEST(SharedSums, EndOnLongChains) {
  Sandbox s;
  const Var x = uneven(s, kImages), index = max_pool_index(x);
  Var sum = x;
  for (int k = 0; k < 20000; ++k) sum = affine(sum + sum, 0.5, 0);
  const Program program = program_of(s.tape, {sum_to(sum, kChannels), pool_gather(sum, index)});
  EXPECT_EQ(sums(program), 1);
}

class SharedSumsOfMetaGradients : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(, SharedSumsOfMetaGradients, testing::Bool(),
                         [](const auto& info) { return info.param ? "Recomputed" : "Kept"; });

TEST_P(SharedSumsOfMetaGradients, MoveFewerBytesForTheSameResults) {
  const MamlTape maml({.steps = 3, .images = 9, .size = 24, .recompute = GetParam()});
  const Program shared = program_of(maml.tape, maml.fetches(), true, true);
  const Program apart = program_of(maml.tape, maml.fetches(), false, true);
  EXPECT_LT(shared.cost().bytes, 0.9 * apart.cost().bytes);
  const auto results = [&](const Program& program) {
    StateStore store = maml.store;
    CpuExecutor executor(program, store);
    maml.feed(executor);
    executor.run();
    std::vector<Tensor> all;
    for (std::size_t k = 0; k < program.graph.fetches.size(); ++k) all.push_back(executor.fetch(k));
    return all;
  };
  expect_same_results(results(shared), results(apart));
}

}  // namespace
}  // namespace metatape
