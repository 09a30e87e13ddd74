#include "kernels/emulation/nccl_api.h"

#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/emulation/expect_refused.h"
#include "tests/emulation/nccl_ranks.h"

namespace metatape {
namespace {

using kernels::emulation::run_ranks;
using kernels::emulation::settings;
using kernels::emulation::wait_until;

constexpr std::uint32_t kFresh = 0xFFFFFFFF;

class NcclApi : public NcclTest {};

TEST_F(NcclApi, GroupedSendsMeetTheirReceives) {
  in_every_way([] {
    on_ranks(3, [](Rank& rank) {
      rank.exchange(2);
      std::vector<std::uint32_t> expected{0, 1, 10, 11, 20, 21};
      const std::size_t own = 2 * std::size_t(rank.number);
      expected[own] = expected[own + 1] = kFresh;
      EXPECT_EQ(rank.received(), expected);
    });
  });
}

TEST_F(NcclApi, SendsOfOnePairMeetReceivesInTheirOrder) {
  in_every_way([] {
    on_ranks(2, [](Rank& rank) {
      if (rank.number == 0) {
        rank.send(1, 1);
        ncclSend(rank.out + 4, 2, ncclUint32, 1, rank.comm, rank.stream);
        cudaStreamSynchronize(rank.stream);
      } else {
        rank.receive(0, 1);
        rank.receive(0, 2, 3);
        EXPECT_EQ(rank.received(), (std::vector<std::uint32_t>{0, kFresh, kFresh, 4, 5, kFresh}));
      }
    });
  });
}

TEST_F(NcclApi, GathersInRankOrder) {
  in_every_way([] {
    on_ranks(3, [](Rank& rank) {
      ncclAllGather(rank.out + 1, rank.in, 2, ncclUint32, rank.comm, rank.stream);
      EXPECT_EQ(rank.received(), (std::vector<std::uint32_t>{1, 2, 11, 12, 21, 22}));
      std::uint32_t* own = rank.in + 2 * rank.number;  // in place
      cudaMemcpy(own, rank.out, 8, cudaMemcpyDeviceToDevice);
      ncclAllGather(own, rank.in, 2, ncclUint32, rank.comm, rank.stream);
      EXPECT_EQ(rank.received(), (std::vector<std::uint32_t>{0, 1, 10, 11, 20, 21}));
    });
  });
}

TEST_F(NcclApi, BroadcastsComeFromTheirRoots) {
  in_every_way([] {
    on_ranks(2, [](Rank& rank) {
      ncclGroupStart();
      for (int root : {0, 1})
        ncclBroadcast(rank.number == root ? rank.out + 5 : nullptr, rank.in + root, 1, ncclUint32,
                      root, rank.comm, rank.stream);
      ncclGroupEnd();
      EXPECT_EQ(rank.received(),
                (std::vector<std::uint32_t>{5, 15, kFresh, kFresh, kFresh, kFresh}));
    });
  });
}

TEST_F(NcclApi, IsPartOfACapturedGraph) {
  in_every_way([] {
    on_ranks(2, [](Rank& rank) {
      rank.capture([&] { rank.exchange(); });
      for (std::uint32_t round = 0; round < 3; ++round) {
        cudaMemcpy(rank.out, &round, 4, cudaMemcpyHostToDevice);
        cudaGraphLaunch(rank.graph, rank.stream);
        EXPECT_EQ(rank.received()[std::size_t(1 - rank.number)], round);
      }
    });
  });
}

TEST_F(NcclApi, OneRankNeedsNoOthers) {
  on_ranks(1, [](Rank& rank) {
    rank.exchange();
    ncclAllGather(rank.out, rank.in, 6, ncclUint32, rank.comm, rank.stream);
    EXPECT_EQ(rank.received()[5], 5u);
    ncclGroupStart();
    rank.send(0, 2);
    rank.receive(0, 2, 4);
    ncclGroupEnd();
    EXPECT_EQ(rank.received()[5], 1u);
  });
}

TEST_F(NcclApi, ACallThatFoundNobodyLeavesNothingBehind) {
  ncclUniqueId id;
  ncclGetUniqueId(&id);
  Rank rank(0, 1, id);
  EXPECT_REFUSED(rank.send(0), "nobody else runs");
  ncclGroupStart();
  rank.send(0, 2);
  rank.receive(0, 2);
  ncclGroupEnd();
  EXPECT_EQ(rank.received()[1], 1u);
}

TEST_F(NcclApi, CannotBeginWithoutMemory) {
  ncclUniqueId id;
  ncclComm_t comm = nullptr;
  ncclGetUniqueId(&id);
  settings().device_bytes = 0;
  EXPECT_EQ(ncclCommInitRank(&comm, 1, id, 0), ncclUnhandledCudaError);
  EXPECT_EQ(comm, nullptr);
}

TEST_F(NcclApi, ARankThatAbortsIsFoundByTheOthers) {
  in_every_way([] {
    on_ranks(3, [](Rank& rank) {
      if (rank.number == 1) {
        ncclCommAbort(std::exchange(rank.comm, nullptr));
        return;
      }
      rank.exchange();
      const auto found = rank.received();
      EXPECT_EQ(rank.error(), ncclRemoteError);
      EXPECT_EQ(found[1], kFresh);
      EXPECT_EQ(found[std::size_t(2 - rank.number)], std::uint32_t(10 * (2 - rank.number)));
    });
    on_ranks(2, [](Rank& rank) {
      if (rank.number == 1) {
        ncclCommAbort(std::exchange(rank.comm, nullptr));
        return;
      }
      ncclAllGather(rank.out, rank.in, 1, ncclUint32, rank.comm, rank.stream);
      EXPECT_EQ(rank.received()[0], kFresh);
      EXPECT_EQ(rank.error(), ncclRemoteError);
    });
  });
}

TEST_F(NcclApi, TheFirstFailureOfARankIsThrownOn) {
  int unwound = 0;
  const auto body = [&](int rank) {
    struct Guard {
      int& count;
      ~Guard() { ++count; }
    } guard{unwound};
    if (rank == 1) throw std::out_of_range("rank 1 failed");
    wait_until([] { return false; }, "the end of days");
  };
  EXPECT_THROW(run_ranks(3, body), std::out_of_range);
  EXPECT_EQ(unwound, 2) << "the third had not begun";
  EXPECT_REFUSED(wait_until([] { return false; }, "a friend"), "waits in a friend");
}

}  // namespace
}  // namespace metatape
