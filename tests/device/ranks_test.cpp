// Ranks that train together on GPUs, each with the tasks that are its own: emulated, with NCCL
// between the threads of the test.

#include <gtest/gtest.h>

#if defined(MT_EMULATION)

#include <cmath>
#include <utility>

#include "engine/exec/cuda_executor.h"
#include "engine/ops.h"
#include "kernels/ranks/nccl_communicator.h"
#include "tests/support/emulated_ranks.h"
#include "tests/support/expect_error.h"
#include "tests/support/maml_tape.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

constexpr int kSteps = 5;

/// What a rank has after training.
struct Trained {
  std::vector<double> losses;
  StateStore store;
};

/// Gradient descent on the sum of all ranks' losses. The share of a rank's loss is an input, by
/// which the ranks' gradients differ.
Trained train(int ranks, int rank, const Target& target) {
  MamlTape maml(
      {.steps = 1, .tasks = 1, .images = 3, .filters = 3, .blocks = 1, .dtype = DType::f32});
  const Var share = maml.tape.input("share", {}, DType::f32);
  std::vector<Update> updates;
  for (std::size_t k = 0; k < maml.theta.size(); ++k) {
    const Var theta = maml.theta.values()[k], gradient = maml.meta_gradient.values()[k];
    updates.push_back({theta, add_over_ranks(theta, -0.05 * (share * gradient), ranks)});
  }
  const Var zero = fill(maml.tape, {}, 0, DType::f32);
  const Var loss = add_over_ranks(zero, share * maml.loss, ranks);
  const Program program =
      compile(maml.tape, {.fetch = {loss}, .update = updates, .target = target});

  const auto executor = make_executor(program, maml.store);
  maml.feed(*executor);
  const std::vector<double> own_share{1 + 0.3 * rank};
  executor->feed("share", Tensor::of<double>({}, DType::f32, own_share));
  Trained trained;
  for (int k = 0; k < kSteps; ++k) {
    executor->step();
    if (k % 2 == 0 && k + 1 < kSteps && executor->steps_ahead() > 1) continue;
    for (const auto& row : executor->collect()) trained.losses.push_back(row.at(0));
  }
  executor->read_states();
  trained.store = maml.store;
  return trained;
}

Trained train_on_cpu(HostRank& host) {
  return train(host.size(), host.rank(), {.ranks = host.size(), .communicator = &host});
}

Trained train_on_gpu(HostRank& host) {
  const auto nccl = kernels::make_nccl_communicator(host);
  return train(host.size(), host.rank(),
               {.device = Device::cuda, .ranks = host.size(), .communicator = nccl.get()});
}

/// What each rank ends with.
std::vector<Trained> trained_by(int ranks, Trained (*train_rank)(HostRank&)) {
  std::vector<Trained> trained(std::size_t(ranks), Trained{});
  run_on_ranks(ranks,
               [&](HostRank& host) { trained[std::size_t(host.rank())] = train_rank(host); });
  return trained;
}

class GpuRanks : public testing::Test {
 protected:
  void SetUp() override { before_ = kernels::emulation::settings(); }
  void TearDown() override { kernels::emulation::settings() = before_; }

 private:
  kernels::emulation::Settings before_;
};

TEST_F(GpuRanks, TrainTogetherAsRanksOfTheCpu) {
  for (const int ranks : {1, 2, 3, 4}) {
    SCOPED_TRACE(ranks);
    const std::vector<Trained> cpu = trained_by(ranks, train_on_cpu),
                               gpu = trained_by(ranks, train_on_gpu);
    const Trained& expected = cpu[0];
    ASSERT_EQ(expected.losses.size(), std::size_t(kSteps));
    EXPECT_LT(expected.losses.back(), expected.losses.front()) << "nothing was learnt";
    for (int rank = 0; rank < ranks; ++rank) {
      SCOPED_TRACE(rank);
      const Trained& found = gpu[std::size_t(rank)];
      EXPECT_EQ(cpu[std::size_t(rank)].store, expected.store);
      EXPECT_EQ(found.store, gpu[0].store) << "the ranks' bits differ";
      EXPECT_EQ(found.losses, gpu[0].losses);
      ASSERT_EQ(found.losses.size(), expected.losses.size());
      for (std::size_t k = 0; k < found.losses.size(); ++k)
        EXPECT_NEAR(found.losses[k], expected.losses[k],
                    tolerance::kSingleGradient * std::abs(expected.losses[k]));
    }
  }
}

TEST_F(GpuRanks, TheOrderInWhichRanksComeChangesNoBit) {
  using kernels::emulation::Order;
  auto& settings = kernels::emulation::settings();
  const std::vector<Trained> first = trained_by(3, train_on_gpu);
  for (const auto& [order, late] :
       {std::pair(Order::descending, false), {Order::random, false}, {Order::random, true}}) {
    settings.order = order;
    settings.late = late;
    EXPECT_EQ(trained_by(3, train_on_gpu)[1].store, first[1].store) << int(order) << late;
  }
}

TEST_F(GpuRanks, OneThatIsLostEndsTheOthers) {
  for (const bool late : {false, true}) {
    kernels::emulation::settings().late = late;
    run_on_ranks(2, [](HostRank& host) {
      if (host.rank() == 1) return join_nccl_and_die(host);
      const auto nccl = kernels::make_nccl_communicator(host);
      Tape tape;
      StateStore store;
      store["x"] = Tensor::of<double>({}, DType::f32, std::vector<double>{1});
      const Var x = tape.state("x", {}, DType::f32);
      const Program program = compile(
          tape, {.fetch = {add_over_ranks(x, x, 2)},
                 .target = {.device = Device::cuda, .ranks = 2, .communicator = nccl.get()}});
      CudaExecutor executor(program, store);
      expect_error(ErrorKind::device, "on rank 0: remote process exited", [&] { executor.run(); });
    });
  }
}

}  // namespace
}  // namespace metatape

#endif
