// The executor for GPUs against the one for the CPU: same program, same inputs. Emulated where the
// build has no GPU to meet.

#include "engine/exec/cuda_executor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/exec/cpu_executor.h"
#include "engine/ops.h"
#include "engine/optim/optimizer.h"
#include "tests/support/expect_error.h"
#include "tests/support/maml_tape.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

constexpr Target kCuda{.device = Device::cuda};

/// Skips where there is no GPU, and says so.
class CudaExecution : public testing::Test {
 protected:
  void SetUp() override {
    if (!cuda_device_present()) GTEST_SKIP() << "no GPU on this machine";
  }
};

MamlOptions small(int steps) {
  return {.steps = steps, .tasks = 2, .images = 4, .filters = 3, .dtype = DType::f32};
}

std::vector<Tensor> results_of(const MamlTape& maml, Executor& executor) {
  maml.feed(executor);
  executor.run();
  std::vector<Tensor> results;
  for (std::size_t k = 0; k < maml.fetches().size(); ++k) results.push_back(executor.fetch(k));
  return results;
}

/// sum |x - y|^2 / sum |y|^2.
double nmse(const Tensor& x, const Tensor& y) {
  double error = 0, size = 0;
  for (std::int64_t i = 0; i < y.elements(); ++i) {
    error += std::pow(x.at(i) - y.at(i), 2);
    size += std::pow(y.at(i), 2);
  }
  EXPECT_GT(size, 0);
  return error / size;
}

TEST_F(CudaExecution, MetaGradientIsThatOfTheCpu) {
  for (const bool recompute : {false, true}) {
    MamlOptions options = small(2);
    options.recompute = recompute;
    MamlTape maml(options);
    const Program on_cpu = compile(maml.tape, {.fetch = maml.fetches()});
    const Program on_gpu = compile(maml.tape, {.fetch = maml.fetches(), .target = kCuda});
    CpuExecutor cpu(on_cpu, maml.store);
    CudaExecutor gpu(on_gpu, maml.store);
    const auto expected = results_of(maml, cpu), found = results_of(maml, gpu);
    for (std::size_t k = 0; k < expected.size(); ++k) {
      SCOPED_TRACE(k);
      EXPECT_LE(nmse(found[k], expected[k]), tolerance::kDeviceMeanSquare);
    }
  }
}

TEST_F(CudaExecution, ReplayGivesTheBitsOfTheFirstRun) {
  MamlTape maml(small(1));
  const Program program = compile(maml.tape, {.fetch = maml.fetches(), .target = kCuda});
  CudaExecutor executor(program, maml.store);
  const auto first = results_of(maml, executor);     // instruction by instruction
  const auto captured = results_of(maml, executor);  // captures, then launches
  const auto replayed = results_of(maml, executor);
  EXPECT_EQ(first, captured);
  EXPECT_EQ(first, replayed);
}

/// count <- count + 1, fetched before; loss is log(count), not finite below 1.
struct Counter {
  Sandbox s;
  Program program;

  explicit Counter(double start) {
    const Var count = s.value({}, {start}, DType::f32);
    program = compile(
        s.tape,
        {.fetch = {log(count), 2.0 * count}, .update = {{count, count + 1.0}}, .target = kCuda});
  }
  double state() const { return s.store.at("value/0").at(0); }
};

TEST_F(CudaExecution, StatesChangeOnCommitAndTheStoreWhenRead) {
  Counter c(5);
  CudaExecutor executor(c.program, c.s.store);
  executor.run();
  executor.read_states();
  EXPECT_EQ(c.state(), 5);
  executor.commit();
  EXPECT_EQ(c.state(), 5);
  executor.read_states();
  EXPECT_EQ(c.state(), 6);
}

TEST_F(CudaExecution, StepsAheadAreCollectedInOrder) {
  Counter c(1);
  CudaExecutor executor(c.program, c.s.store);
  double next = 1;
  for (int round = 0; round < 3; ++round) {
    const int steps = executor.steps_ahead();
    for (int k = 0; k < steps; ++k) executor.step();
    const auto rows = executor.collect();
    ASSERT_EQ(int(rows.size()), steps);
    for (const auto& row : rows) {
      ASSERT_EQ(row.size(), 2u);
      ASSERT_EQ(row[1], 2 * next);
      next += 1;
    }
  }
  EXPECT_GT(executor.graph_nodes(), 0u);
  executor.read_states();
  EXPECT_EQ(c.state(), next);
}

TEST_F(CudaExecution, NothingChangesAfterALossThatIsNotFinite) {
  Tape tape;
  StateStore store;
  store["count"] = Tensor::of<double>({}, DType::f32, std::vector<double>{3});
  const Var count = tape.state("count", {}, DType::f32);
  // sqrt(count) is finite for 3, 2, 1, 0; not for -1, from where the count would go on.
  const Program program =
      compile(tape, {.fetch = {sqrt(count)}, .update = {{count, count - 1.0}}, .target = kCuda});
  CudaExecutor executor(program, store);
  for (int k = 0; k < 8; ++k) executor.step();
  const auto rows = executor.collect();
  ASSERT_EQ(rows.size(), 8u);
  for (int k = 0; k < 4; ++k) EXPECT_TRUE(std::isfinite(rows[std::size_t(k)][0]));
  for (int k = 4; k < 8; ++k) EXPECT_TRUE(std::isnan(rows[std::size_t(k)][0]));
  executor.read_states();
  EXPECT_EQ(store.at("count").at(0), -1);
  EXPECT_EQ(executor.find_nonfinite(), "%1 = sqrt(%0) : f32 []");
}

TEST_F(CudaExecution, CommitSwapsTwoStates) {
  Sandbox s;
  const Var a = s.value({2}, {1, 2}, DType::f32), b = s.value({2}, {3, 4}, DType::f32);
  const Program program = compile(s.tape, {.update = {{a, b}, {b, a}}, .target = kCuda});
  CudaExecutor executor(program, s.store);
  executor.run();
  executor.commit();
  executor.read_states();
  EXPECT_EQ(s.store.at("value/0").values(), (std::vector<double>{3, 4}));
  EXPECT_EQ(s.store.at("value/1").values(), (std::vector<double>{1, 2}));
}

TEST_F(CudaExecution, InputsTravelWhenTheyWereWritten) {
  Sandbox s;
  const Var x = s.tape.input("x", {2}, DType::f32);
  const Program program = compile(s.tape, {.fetch = {x + 1.0, x}, .target = kCuda});
  CudaExecutor executor(program, s.store);
  for (double value : {1.0, 2.0, 3.0}) {
    executor.feed("x", Tensor::of<double>({2}, DType::f32, std::vector<double>{value, 0}));
    executor.run();
    EXPECT_EQ(executor.fetch(0).values(), (std::vector<double>{value + 1, 1}));
    EXPECT_EQ(executor.fetch(1).values(), (std::vector<double>{value, 0}));
  }
}

TEST_F(CudaExecution, TrainingStaysWithTheCpu) {
  auto train = [](Device device) {
    MamlTape maml(small(1));
    Tape& tape = maml.tape;
    const std::vector<Update> updates = make_adam()->step(maml.theta, maml.meta_gradient);
    const Program program =
        compile(tape, {.fetch = {maml.loss}, .update = updates, .target = {.device = device}});
    maml.store[kLearningRateState] = Tensor::of<double>({}, DType::f32, std::vector<double>{0.01});
    const auto executor = make_executor(program, maml.store);
    maml.feed(*executor);
    std::vector<double> losses;
    for (int k = 0; k < 10; ++k) {
      executor->step();
      losses.push_back(executor->collect().at(0).at(0));
    }
    return losses;
  };
  const std::vector<double> cpu = train(Device::cpu), gpu = train(Device::cuda);
  ASSERT_LT(cpu.back(), cpu.front()) << "nothing was learnt";
  for (std::size_t k = 0; k < cpu.size(); ++k)
    EXPECT_NEAR(gpu[k], cpu[k], tolerance::kSingleGradient * std::abs(cpu[k]));
}

TEST_F(CudaExecution, FailedFactorisationIsNamedAsOnTheCpu) {
  Sandbox s;
  const Var a = s.value({2, 2}, {1, 2, 2, 1}, DType::f32);  // eigenvalues 3 and -1
  const Var l = cholesky(a);
  auto message = [&](const Target& target) {
    const Program program = compile(s.tape, {.fetch = {l}, .target = target});
    const auto executor = make_executor(program, s.store);
    try {
      executor->run();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind, ErrorKind::numerical);
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(message(kCuda), message({}));
}

TEST_F(CudaExecution, RefusesWhatItCannotDo) {
  Sandbox s;
  const Var x = s.value({2}, {1, 2});
  const Program doubles = compile(s.tape, {.fetch = {x + 1.0}, .target = kCuda});
  expect_error(ErrorKind::dtype, "is f64, the GPU computes in f32; use --device cpu",
               [&] { CudaExecutor executor(doubles, s.store); });

  Sandbox wide;
  const Var y = wide.value({2}, {1, 2}, DType::f32);
  const Program vectors = compile(wide.tape, {.fetch = {y + 1.0}, .target = kCuda});
  CudaExecutor executor(vectors, wide.store);
  expect_error(ErrorKind::usage, "every fetched value must be one f32", [&] { executor.step(); });
}

}  // namespace
}  // namespace metatape
