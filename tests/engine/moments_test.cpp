#include <gtest/gtest.h>

#include <cmath>

#include "engine/autodiff.h"
#include "engine/exec/cpu_executor.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

int count(const Program& program, OpId op) {
  int found = 0;
  for (const Node& node : program.graph.nodes) found += node.op == op;
  return found;
}

/// A batch norm of values large enough that traffic decides, and what is computed from it.
struct Normalised {
  explicit Normalised(const Shape& shape) {
    std::vector<double> elements;
    for (std::int64_t i = 0; i < shape.elements(); ++i)
      elements.push_back(5 + std::sin(0.7 + 1.3 * double(i)));
    x = s.value(shape, elements);
    const Shape channels = Shape{shape[-1]};
    gamma = s.value(channels, std::vector<double>(std::size_t(shape[-1]), 1.5));
    beta = s.value(channels, std::vector<double>(std::size_t(shape[-1]), -0.5));
    y = batch_norm(x, gamma, beta, 1e-5);
  }
  Sandbox s;
  Var x, gamma, beta, y;
};

std::vector<std::vector<double>> run(const Program& program, StateStore store) {
  CpuExecutor executor(program, store);
  executor.run();
  std::vector<std::vector<double>> results;
  for (std::size_t k = 0; k < program.graph.fetches.size(); ++k)
    results.push_back(executor.fetch(k).values());
  return results;
}

TEST(JoinMoments, TakesBothSumsOfABatchNormInOnePass) {
  for (const Shape& shape : {Shape{6, 20, 22, 8}.with_tasks(3), Shape{2000, 16}}) {
    const Normalised n(shape);
    const Var gradient = grad(sum_tasks(sum(square(n.y) * n.y)), {&n.x, 1})[0];
    const std::vector<Var> fetch{n.y, gradient};
    const Program joined = compile(n.s.tape, {.fetch = fetch});
    const Program apart = compile(n.s.tape, {.fetch = fetch, .share_sums = false});
    EXPECT_EQ(count(joined, OpId::moments), 1);
    EXPECT_EQ(count(apart, OpId::moments), 0);
    const auto one = run(joined, n.s.store), two = run(apart, n.s.store);
    for (std::size_t k = 0; k < fetch.size(); ++k) {
      double scale = 0;
      for (double v : two[k]) scale = std::max(scale, std::abs(v));
      ASSERT_GT(scale, 0);
      for (std::size_t i = 0; i < two[k].size(); ++i)
        ASSERT_NEAR(one[k][i], two[k][i], tolerance::kExactForms * scale) << k << ", " << i;
    }
  }
}

TEST(JoinMoments, StillGivesTheSumToOthers) {
  const Shape shape{6, 20, 22, 8};
  const Normalised n(shape);
  const Var total = sum_to(n.x, Shape{1, 1, 1, 8});
  const Program program = compile(n.s.tape, {.fetch = {n.y, total}});
  EXPECT_EQ(count(program, OpId::moments), 1);
  EXPECT_EQ(count(program, OpId::sum_to), 0);
  const std::vector<double> x = n.s.store.at("value/0").values();
  std::vector<double> expected(8);
  for (std::size_t i = 0; i < x.size(); ++i) expected[i % 8] += x[i];
  const std::vector<double> found = run(program, n.s.store)[1];
  for (std::size_t c = 0; c < 8; ++c)
    EXPECT_NEAR(found[c], expected[c], tolerance::kExactForms * expected[c]);
}

TEST(JoinMoments, LeavesSmallValuesAndOtherSumsAlone) {
  const Normalised small(Shape{4, 3});
  EXPECT_EQ(count(compile(small.s.tape, {.fetch = {small.y}}), OpId::moments), 0);

  Sandbox s;  // a sum that does not keep the last axis; a centre that is no mean
  const Var x = s.zeros({64, 500});
  const Var rows = mean_axes(x, std::vector{1});
  const Var half = affine(sum_to(x, {1, 500}), 1.0 / 32, 0);
  const Program program =
      compile(s.tape, {.fetch = {sum_product_to(x - rows, x - rows, {64, 1}),
                                 sum_product_to(x - half, x - half, {1, 500})}});
  EXPECT_EQ(count(program, OpId::moments), 0);
}

}  // namespace
}  // namespace metatape
