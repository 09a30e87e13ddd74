// Whole training runs over several GPUs: emulated, with NCCL between the threads of the test.

#include <gtest/gtest.h>

#if defined(MT_EMULATION)

#include "kernels/ranks/nccl_communicator.h"
#include "meta/training/trainer.h"
#include "tests/meta/small_workload.h"
#include "tests/support/emulated_ranks.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

Config four_tasks(const std::string& combine) {
  Config c = sinusoid_config();
  c.outer.tasks = 4;
  c.outer.combine = combine;
  if (combine == "mean") c.outer.chunk = 1;  // as four ranks take them
  c.train.validate_every = 0;
  return c;
}

class GpuRankTraining : public testing::Test {
 protected:
  /// The result of the first rank; all others have to have the same.
  TrainResult train_over(int ranks, const Config& config, Device device) {
    const std::filesystem::path path = folder_ / std::to_string(runs_++);
    std::vector<TrainResult> results(std::size_t(ranks), TrainResult{});
    run_on_ranks(ranks, [&](HostRank& host) {
      const auto nccl = device == Device::cuda ? kernels::make_nccl_communicator(host) : nullptr;
      kernels::Communicator* all = nccl ? nccl.get() : static_cast<kernels::Communicator*>(&host);
      const Workload workload = sinusoid_workload(config);
      const TrainOptions options{.target = {.device = device, .ranks = ranks, .communicator = all},
                                 .ranks = Ranks(host)};
      RunFolder folder = RunFolder::create(
          path, config, {}, host.rank() == 0 ? RunFolder::Access::write : RunFolder::Access::read);
      results[std::size_t(host.rank())] =
          train(workload,
                record_training_programs(config, workload.model, workload.training->layout(),
                                         options.target),
                initial_state(workload), folder, options);
    });
    for (const TrainResult& result : results) {
      EXPECT_EQ(result.state_hash, results[0].state_hash) << "the ranks' states differ";
      EXPECT_EQ(result.iterations, config.train.iterations);
    }
    return results[0];
  }

 private:
  TemporaryFolder folder_;
  int runs_ = 0;
};

TEST_F(GpuRankTraining, SumsOfGradientsHaveTheSameBitsForAnyNumberOfRanks) {
  const Config config = four_tasks("mean");
  const TrainResult cpu = train_over(2, config, Device::cpu),
                    one = train_over(1, config, Device::cuda);
  ASSERT_GT(cpu.loss, 0);
  EXPECT_NEAR(one.loss, cpu.loss, tolerance::kSingleGradient * cpu.loss);
  for (const int ranks : {2, 4})
    EXPECT_EQ(train_over(ranks, config, Device::cuda).state_hash, one.state_hash) << ranks;
}

/// On one rank the collection is left out, and what follows is fused with what comes before.
TEST_F(GpuRankTraining, CollectedGradientsHaveThemForSeveralRanks) {
  const Config config = four_tasks("similarity");
  const TrainResult cpu = train_over(2, config, Device::cpu),
                    one = train_over(1, config, Device::cuda),
                    two = train_over(2, config, Device::cuda),
                    four = train_over(4, config, Device::cuda);
  ASSERT_GT(cpu.loss, 0);
  for (const TrainResult& gpu : {one, two})
    EXPECT_NEAR(gpu.loss, cpu.loss, tolerance::kSingleGradient * cpu.loss);
  EXPECT_EQ(four.state_hash, two.state_hash);
}

}  // namespace
}  // namespace metatape

#endif
