#include <gtest/gtest.h>

#include <limits>

#include "engine/exec/cpu_executor.h"
#include "tests/support/expect_error.h"
#include "tests/support/maml_tape.h"
#include "tests/support/sandbox.h"

namespace metatape {
namespace {

using Elements = std::vector<double>;

std::vector<Tensor> run_maml(const MamlOptions& options, CompileOptions compile_options) {
  MamlTape maml(options);
  compile_options.fetch = maml.fetches();
  const Program program = compile(maml.tape, compile_options);
  CpuExecutor executor(program, maml.store);
  maml.feed(executor);
  executor.run();
  std::vector<Tensor> results;
  for (std::size_t k = 0; k < compile_options.fetch.size(); ++k)
    results.push_back(executor.fetch(k));
  return results;
}

class MetaStep : public testing::TestWithParam<MamlOptions> {};

TEST_P(MetaStep, PlannedEqualsUnplannedBitForBit) {
  const auto planned = run_maml(GetParam(), {});
  const auto apart = run_maml(GetParam(), {.plan = {.share_memory = false}, .merge_common = false});
  for (const Tensor& result : planned)
    for (double value : result.values()) ASSERT_TRUE(std::isfinite(value));
  EXPECT_EQ(planned, apart);
}

TEST_P(MetaStep, DoesNotDependOnTheNumberOfThreads) {
  EXPECT_EQ(run_maml(GetParam(), {.target = {.threads = 1}}),
            run_maml(GetParam(), {.target = {.threads = 2}}));
}

TEST_P(MetaStep, RunsAgainWithTheSameBits) {
  MamlTape maml(GetParam());
  const Program program = compile(maml.tape, {.fetch = maml.fetches(), .target = {.threads = 2}});
  CpuExecutor executor(program, maml.store);
  maml.feed(executor);
  executor.run();
  const Tensor first = executor.fetch(1);
  executor.run();
  EXPECT_EQ(executor.fetch(1), first);
}

INSTANTIATE_TEST_SUITE_P(
    Maml, MetaStep,
    testing::Values(MamlOptions{.steps = 3}, MamlOptions{.steps = 3, .dtype = DType::f32},
                    MamlOptions{.steps = 3, .recompute = true},
                    MamlOptions{
                        .steps = 2, .tasks = 4, .size = 14, .filters = 8, .dtype = DType::f32}),
    [](const auto& parameter) {
      const MamlOptions& o = parameter.param;
      return std::string(dtype_name(o.dtype)) + (o.recompute ? "Recomputed" : "Kept") + "Size" +
             std::to_string(o.size);
    });

TEST(CpuExecutor, StatesChangeOnCommitOnly) {
  Sandbox s;
  const Var count = s.scalar(5);
  const Program program = compile(s.tape, {.fetch = {count}, .update = {{count, count + 1.0}}});
  CpuExecutor executor(program, s.store);
  executor.run();
  EXPECT_EQ(s.store.at("value/0").at(0), 5);
  executor.commit();
  EXPECT_EQ(s.store.at("value/0").at(0), 6);
  executor.run();
  EXPECT_EQ(executor.fetch(0).at(0), 6);
  executor.commit();
  EXPECT_EQ(s.store.at("value/0").at(0), 7);
}

TEST(CpuExecutor, CommitSwapsTwoStates) {
  Sandbox s;
  const Var a = s.value({2}, {1, 2}), b = s.value({2}, {3, 4});
  const Program program = compile(s.tape, {.update = {{a, b}, {b, a}}});
  CpuExecutor executor(program, s.store);
  executor.run();
  executor.commit();
  EXPECT_EQ(s.store.at("value/0").values(), (Elements{3, 4}));
  EXPECT_EQ(s.store.at("value/1").values(), (Elements{1, 2}));
}

TEST(CpuExecutor, CommitSwapsThroughViews) {
  Sandbox s;
  const Var a = s.value({4}, {1, 2, 3, 4}), b = s.value({2, 2}, {5, 6, 7, 8});
  const Program program =
      compile(s.tape, {.update = {{a, reshape(b, {4})}, {b, reshape(a, {2, 2})}}});
  CpuExecutor executor(program, s.store);
  executor.run();
  executor.commit();
  EXPECT_EQ(s.store.at("value/0").values(), (Elements{5, 6, 7, 8}));
  EXPECT_EQ(s.store.at("value/1").values(), (Elements{1, 2, 3, 4}));
}

TEST(CpuExecutor, FetchesStatesInputsAndViewsOfThem) {
  Sandbox s;
  const Var w = s.value({2}, {1, 2}), x = s.tape.input("x", {2}, DType::f64);
  const Program program = compile(s.tape, {.fetch = {w, reshape(x, {2, 1}), stop_gradient(w)}});
  CpuExecutor executor(program, s.store);
  executor.feed("x", Tensor::of<double>({2}, DType::f64, Elements{7, 8}));
  executor.run();
  EXPECT_EQ(executor.fetch(0).values(), (Elements{1, 2}));
  EXPECT_EQ(executor.fetch(1).values(), (Elements{7, 8}));
  EXPECT_EQ(executor.fetch(1).shape(), (Shape{2, 1}));
  EXPECT_EQ(executor.fetch(2).values(), (Elements{1, 2}));
}

TEST(CpuExecutor, ProgramsOfSeveralTapesShareStatesByName) {
  StateStore store;
  store["w"] = Tensor::of<double>({}, DType::f64, Elements{3});
  Tape training, evaluation;
  const Var w = training.state("w", {}, DType::f64);
  const Program step = compile(training, {.update = {{w, 2.0 * w}}});
  const Program test = compile(evaluation, {.fetch = {evaluation.state("w", {}, DType::f64)}});
  CpuExecutor trainer(step, store), judge(test, store);
  trainer.run();
  trainer.commit();
  judge.run();
  EXPECT_EQ(judge.fetch(0).at(0), 6);
}

TEST(CpuExecutor, CreatesMissingStatesAsZeros) {
  Tape tape;
  const Program program = compile(tape, {.fetch = {tape.state("moment", {2}, DType::f32)}});
  StateStore store;
  CpuExecutor executor(program, store);
  executor.run();
  EXPECT_EQ(executor.fetch(0).values(), (Elements{0, 0}));
  EXPECT_TRUE(store.contains("moment"));
}

TEST(CpuExecutor, RefusesAStateOfAnotherTypeOrShape) {
  Tape tape;
  const Program program = compile(tape, {.fetch = {tape.state("w", {2}, DType::f32)}});
  StateStore store;
  store["w"] = Tensor({3}, DType::f32);
  expect_error(ErrorKind::shape, "[w] the stored state is f32 [3], the program needs f32 [2]",
               [&] { CpuExecutor executor(program, store); });
  store["w"] = Tensor({2}, DType::f64);
  expect_error(ErrorKind::shape, "[w] the stored state is f64 [2], the program needs f32 [2]",
               [&] { CpuExecutor executor(program, store); });
}

TEST(CpuExecutor, NamesItsInputsWhenOneIsMissing) {
  Sandbox s;
  const Var x = s.tape.input("support_x", {2}, DType::f64);
  const Var y = s.tape.input("query_x", {2}, DType::f64);
  s.tape.input("unused", {2}, DType::f64);
  const Program program = compile(s.tape, {.fetch = {x + y}});
  CpuExecutor executor(program, s.store);
  EXPECT_TRUE(executor.has_input("query_x"));
  EXPECT_FALSE(executor.has_input("unused"));
  expect_error(ErrorKind::usage,
               "[suport_x] the program has no such input; it has: query_x, support_x",
               [&] { executor.input("suport_x"); });
  expect_error(ErrorKind::shape, "[query_x] fed f64 [3], the program expects f64 [2]",
               [&] { executor.feed("query_x", Tensor({3}, DType::f64)); });
  expect_error(ErrorKind::shape, "[query_x] fed f32 [2], the program expects f64 [2]",
               [&] { executor.feed("query_x", Tensor({2}, DType::f32)); });
}

TEST(FindNonfinite, NamesTheInstructionAndItsScope) {
  Sandbox s;
  const Var x = s.value({2}, {1, -1});
  Var y;
  {
    const Scope scope(s.tape, "inner/2");
    y = log(x);
  }
  const Program program = compile(s.tape, {.fetch = {exp(y), 2.0 * x}, .fuse = false});
  CpuExecutor executor(program, s.store);
  executor.run();
  EXPECT_EQ(executor.find_nonfinite(), "%1 = log(%0) : f64 [2]  # inner/2");
}

TEST(FindNonfinite, NamesTheFirstTask) {
  Sandbox s;
  const Var x = s.value(Shape{2}.with_tasks(3), {1, 1, 1, -1, -1, 1});
  const Program program = compile(s.tape, {.fetch = {log(x)}, .fuse = false});
  CpuExecutor executor(program, s.store);
  executor.run();
  EXPECT_EQ(executor.find_nonfinite(), "%1 = log(%0) : f64 3x[2], task 1");
  EXPECT_EQ(executor.find_nonfinite(6), "%1 = log(%0) : f64 3x[2], task 7");
}

TEST(FindNonfinite, SeesValuesThatLaterOnesOverwrote) {
  Sandbox s;
  const Var x = s.value({2}, {0, 1});
  const Program program = compile(s.tape, {.fetch = {minimum(reciprocal(x), x)}, .fuse = false});
  CpuExecutor executor(program, s.store);
  executor.run();
  EXPECT_EQ(executor.fetch(0).values(), (Elements{0, 1}));
  EXPECT_NE(executor.find_nonfinite().find("= reciprocal("), std::string::npos);
}

TEST(FindNonfinite, NamesABadInputAndIsSilentOtherwise) {
  Sandbox s;
  const Var x = s.tape.input("x", {1}, DType::f32);
  const Program program = compile(s.tape, {.fetch = {2.0 * x}});
  CpuExecutor executor(program, s.store);
  executor.feed("x", Tensor::of<double>({1}, DType::f32, Elements{1}));
  executor.run();
  EXPECT_EQ(executor.find_nonfinite(), "");
  executor.input("x").set_at(0, std::numeric_limits<double>::infinity());
  EXPECT_EQ(executor.find_nonfinite(), "input x");
}

TEST(Tensor, RefusesAnotherCountOfElements) {
  expect_error(ErrorKind::shape, "3 values for [2]", [] {
    Tensor::of<double>({2}, DType::f32, Elements{1, 2, 3});
  });
}

TEST(StateDigest, SeesNamesTypesShapesAndBits) {
  auto digest = [](const std::string& name, const Shape& shape, DType dtype, double value) {
    StateStore store;
    store[name] = Tensor(shape, dtype);
    store[name].set_at(0, value);
    return state_digest(store);
  };
  const std::string reference = digest("w", {2}, DType::f32, 1);
  EXPECT_EQ(digest("w", {2}, DType::f32, 1), reference);
  EXPECT_NE(digest("v", {2}, DType::f32, 1), reference);
  EXPECT_NE(digest("w", {2, 1}, DType::f32, 1), reference);
  EXPECT_NE(digest("w", {2}, DType::i32, 1), reference);
  EXPECT_NE(digest("w", {2}, DType::f32, 1.0000001), reference);
}

}  // namespace
}  // namespace metatape
