#include "kernels/ranks/ranks.h"

#include <functional>

#include "kernels/ranks/nccl_communicator.h"
#include "kernels/ranks/one_rank.h"
#include "tests/cuda/cuda_case.h"
#if defined(MT_EMULATION)
#include "kernels/emulation/sanitizers.h"
#include "tests/support/emulated_ranks.h"
#endif

// Emulated, up to four ranks; on a GPU, NCCL with the one rank there is.

namespace metatape::cuda_tests {
namespace {

using namespace kernels;

class Ranks : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (!built_with_nccl()) GTEST_SKIP() << "not built: NCCL";
  }
};

/// body(host, nccl) on each rank.
using OnRank = std::function<void(Communicator& host, Communicator& nccl)>;

void on_rank(Communicator& host, const OnRank& body) {
  const auto nccl = make_nccl_communicator(host);
  ASSERT_EQ(nccl->failure(), nullptr);
  ASSERT_EQ(nccl->rank(), host.rank());
  ASSERT_EQ(nccl->size(), host.size());
  body(host, *nccl);
  EXPECT_EQ(nccl->failure(), nullptr);
}

/// With 1 to 4 ranks, or with the one that a GPU is; emulated at once, and late in another order.
/// The thread sanitizer, for which each CUDA thread takes 0.7 ms, sees three ranks only.
void for_ranks(const OnRank& body) {
#if defined(MT_EMULATION)
  using kernels::emulation::Order;
  auto& settings = kernels::emulation::settings();
  const auto before = settings;
  const bool slow = kernels::emulation::has_thread_sanitizer();
  for (int ranks = slow ? 3 : 1; ranks <= (slow ? 3 : 4); ++ranks) {
    for (const bool late : {false, true}) {
      SCOPED_TRACE(testing::Message() << ranks << " ranks" << (late ? ", late" : ""));
      settings.late = late;
      settings.order = late ? Order::random : Order::ascending;
      run_on_ranks(ranks, [&](Communicator& host) { on_rank(host, body); });
    }
  }
  settings = before;
#else
  OneRank host;
  on_rank(host, body);
#endif
}

constexpr std::int64_t kCounts[] = {0, 1, 3, 5, 64, 1031};

/// Different on each rank, with all the bits of T, and so large and small that the order of
/// additions shows.
template <class T>
std::vector<T> values_of(int rank, std::int64_t count) {
  std::vector<T> values;
  for (float v : random_values(std::size_t(count), 17 + std::uint64_t(rank)))
    values.push_back(T(v) / T(rank % 2 == 0 ? 3 : 3000));
  return values;
}

/// The sum in the order of `ranks`, of which the first is the base.
template <class T>
std::vector<T> sum_of(const std::vector<int>& ranks, std::int64_t count) {
  std::vector<T> sum = values_of<T>(ranks.front(), count);
  for (std::size_t k = 1; k < ranks.size(); ++k) {
    const std::vector<T> values = values_of<T>(ranks[k], count);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
  }
  return sum;
}

constexpr int kBase = -1;  // as a rank of values_of

template <class T>
std::vector<T> expected_sum(int ranks, std::int64_t count) {
  std::vector<int> order{kBase};
  for (int r = 0; r < ranks; ++r) order.push_back(r);
  std::vector<T> sum = sum_of<T>(order, count);
  if (ranks > 1 && count > 64) {
    std::reverse(order.begin() + 1, order.end());
    EXPECT_NE(sum_of<T>(order, count), sum) << "the order does not show";
  }
  return sum;
}

/// Where the result of add_over_ranks goes.
enum class Target { fresh, base, value };

template <class T>
std::vector<T> add_on_gpu(Communicator& nccl, std::int64_t count, Target target) {
  const DeviceArray<T> base(values_of<T>(kBase, count)), value(values_of<T>(nccl.rank(), count)),
      fresh{std::size_t(count)},
      workspace{std::size_t(add_over_ranks_workspace(count, nccl.size()))};
  const DeviceArray<T>& y = target == Target::base ? base : target == Target::value ? value : fresh;
  add_over_ranks<T>({count, nccl.size(), base, value, y, workspace},
                    CudaContext{.communicator = &nccl});
  return y.read();
}

template <class T>
std::vector<T> add_on_cpu(Communicator& host, std::int64_t count) {
  const std::vector<T> base = values_of<T>(kBase, count), value = values_of<T>(host.rank(), count);
  const std::int64_t elements = add_over_ranks_workspace(count, host.size());
  std::vector<T> y(count), workspace(elements);
  add_over_ranks<T>({count, host.size(), base.data(), value.data(), y.data(), workspace.data()},
                    CpuContext{.communicator = &host});
  return y;
}

template <class T>
void expect_sums() {
  for_ranks([](Communicator& host, Communicator& nccl) {
    for (const std::int64_t count : kCounts) {
      SCOPED_TRACE(count);
      const std::vector<T> expected = expected_sum<T>(host.size(), count);
      EXPECT_EQ(add_on_cpu<T>(host, count), expected);
      for (const Target target : {Target::fresh, Target::base, Target::value})
        EXPECT_EQ(add_on_gpu<T>(nccl, count, target), expected) << int(target);
    }
  });
}

TEST_F(Ranks, AddInRankOrderTheBitsOfTheCpu) {
  expect_sums<float>();
  expect_sums<double>();
}

template <class T>
void expect_gathered() {
  for_ranks([](Communicator& host, Communicator& nccl) {
    for (const std::int64_t count : kCounts) {
      SCOPED_TRACE(count);
      std::vector<T> expected;
      for (int r = 0; r < host.size(); ++r)
        for (T v : values_of<T>(r, count)) expected.push_back(v);
      const DeviceArray<T> x(values_of<T>(host.rank(), count)), y(expected.size());
      gather_over_ranks<T>({count, host.size(), x, y}, CudaContext{.communicator = &nccl});
      EXPECT_EQ(y.read(), expected);
    }
  });
}

TEST_F(Ranks, GatherInRankOrder) {
  expect_gathered<float>();
  expect_gathered<double>();
}

/// What the kernels leave out for one rank.
TEST_F(Ranks, NcclMovesWhatTheHostMoves) {
  for_ranks([](Communicator& host, Communicator& nccl) {
    for (const std::int64_t count : kCounts) {
      SCOPED_TRACE(count);
      const std::size_t slices =
          std::size_t(slice_of(count, host.rank(), host.size()).count() * host.size());
      const std::vector<float> x = values_of<float>(host.rank(), count);
      std::vector<float> moved(slices), gathered = x;
      host.exchange_slices(x.data(), moved.data(), count, sizeof(float), nullptr);
      host.gather_slices(gathered.data(), count, sizeof(float), nullptr);

      const DeviceArray<float> in(x), out(slices);
      nccl.exchange_slices(in, out, count, sizeof(float), nullptr);
      EXPECT_EQ(out.read(), moved);
      nccl.gather_slices(in, count, sizeof(float), nullptr);
      EXPECT_EQ(in.read(), gathered);
    }
  });
}

TEST_F(Ranks, AreCapturedWithTheirGraph) {
  for_ranks([](Communicator&, Communicator& nccl) {
    constexpr std::int64_t kCount = 100;
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
    {
      const int ranks = nccl.size();
      const DeviceArray<float> sum(std::vector<float>(kCount, 0)),
          ones(std::vector<float>(kCount, float(1 << nccl.rank()))),
          workspace{std::size_t(add_over_ranks_workspace(kCount, ranks))},
          all{std::size_t(kCount * ranks)};
      const CudaContext context{.stream = stream, .communicator = &nccl};
      const auto enqueue = [&] {
        add_over_ranks<float>({kCount, ranks, sum, ones, sum, workspace}, context);
        nccl.gather_blocks(sum, all, kCount, sizeof(float), stream);
      };
      require(cudaDeviceSynchronize(), "the arrays");  // the stream would not wait
      enqueue();                                       // connections are made outside of a capture
      require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
      enqueue();
      require(cudaStreamEndCapture(stream, &graph), "end of the capture");
      require(cudaGraphInstantiate(&executable, graph, 0), "graph");
      for (int round = 0; round < 3; ++round)
        require(cudaGraphLaunch(executable, stream), "launch");
      require(cudaStreamSynchronize(stream), "graph");
      const float expected = 4 * float((1 << ranks) - 1);
      EXPECT_EQ(all.read(), std::vector<float>(std::size_t(kCount * ranks), expected));
    }
    cudaGraphExecDestroy(executable);
    cudaGraphDestroy(graph);
    cudaStreamDestroy(stream);
  });
}

#if defined(MT_EMULATION)
TEST_F(Ranks, SayWhatFailed) {
  auto& settings = kernels::emulation::settings();
  const auto before = settings;
  settings.device_bytes = 0;
  OneRank host;
  const auto nccl = make_nccl_communicator(host);
  EXPECT_STREQ(nccl->failure(), "ncclCommInitRank on rank 0: unhandled cuda error");
  nccl->gather_blocks(nullptr, nullptr, 1, 4, nullptr);  // does nothing more
  settings = before;
}

TEST_F(Ranks, FindOutThatOneIsLost) {
  run_on_ranks(3, [](HostRank& host) {
    if (host.rank() == 1) return join_nccl_and_die(host);
    const auto nccl = make_nccl_communicator(host);
    const DeviceArray<float> x(std::vector<float>(4, 1)), all{std::size_t(12)};
    EXPECT_EQ(nccl->failure(), nullptr);
    nccl->gather_blocks(x, all, 4, sizeof(float), nullptr);
    EXPECT_TRUE(std::isnan(all.read()[0]));
    EXPECT_NE(std::string(nccl->failure()).find("remote process exited"), std::string::npos);
  });
}
#endif

}  // namespace
}  // namespace metatape::cuda_tests
