#include "tests/emulation/expect_refused.h"
#include "tests/emulation/nccl_ranks.h"

namespace metatape {
namespace {

using kernels::emulation::run_ranks;
using kernels::emulation::settings;

class NcclRefusals : public NcclTest {};

TEST_F(NcclRefusals, ReportsSendsThatWaitForEachOther) {
  in_every_way([] {
    EXPECT_REFUSED(on_ranks(2,
                            [](Rank& rank) {
                              rank.send(1 - rank.number);  // not in a group: waits
                              rank.receive(1 - rank.number);
                              cudaStreamSynchronize(rank.stream);
                            }),
                   "none of them can go on; rank 0 waits in ncclSend of 1 elements of 4 bytes to "
                   "rank 1");
  });
}

TEST_F(NcclRefusals, ReportsARankThatEndsBeforeTheOthersAreServed) {
  EXPECT_REFUSED(on_ranks(2,
                          [](Rank& rank) {
                            if (rank.number == 0) rank.receive(1);
                          }),
                 "rank 1 has ended");
  EXPECT_REFUSED(on_ranks(3,
                          [](Rank& rank) {
                            if (rank.number == 2) return;
                            ncclAllGather(rank.out, rank.in, 1, ncclUint32, rank.comm, rank.stream);
                          }),
                 "rank 0 waits in ncclAllGather");
}

TEST_F(NcclRefusals, RefusesOtherSizesOnTheOtherSide) {
  in_every_way([] {
    EXPECT_REFUSED(on_ranks(2,
                            [](Rank& rank) {
                              rank.exchange(rank.number == 0 ? 2 : 3);
                              cudaStreamSynchronize(rank.stream);
                            }),
                   "their sizes have to be the same");
  });
  EXPECT_REFUSED(on_ranks(2,
                          [](Rank& rank) {
                            const auto type = rank.number == 0 ? ncclUint32 : ncclUint64;
                            ncclAllGather(rank.out, rank.in, 1, type, rank.comm, rank.stream);
                          }),
                 "1 elements of 8 bytes");
}

TEST_F(NcclRefusals, RefusesOtherCallsOnOtherRanks) {
  EXPECT_REFUSED(
      on_ranks(2,
               [](Rank& rank) {
                 if (rank.number == 0)
                   ncclAllGather(rank.out, rank.in, 1, ncclUint32, rank.comm, rank.stream);
                 else
                   ncclBroadcast(rank.out, rank.in, 1, ncclUint32, 0, rank.comm, rank.stream);
               }),
      "the same calls in the same order");
  EXPECT_REFUSED(on_ranks(2,
                          [](Rank& rank) {
                            ncclBroadcast(rank.out, rank.in, 1, ncclUint32, rank.number, rank.comm,
                                          rank.stream);
                          }),
                 "the same calls in the same order");
}

TEST_F(NcclRefusals, RefusesACaptureOnSomeRanksOnly) {
  EXPECT_REFUSED(on_ranks(2,
                          [](Rank& rank) {
                            if (rank.number == 1) return rank.exchange();
                            rank.capture([&] { rank.exchange(); });
                            cudaGraphLaunch(rank.graph, rank.stream);
                          }),
                 "captured on rank 0, but not on rank 1");
}

TEST_F(NcclRefusals, RefusesWrongGroups) {
  EXPECT_REFUSED(ncclGroupEnd(), "no ncclGroupStart");
  on_ranks(1, [](Rank& rank) {
    cudaStream_t other = nullptr;
    cudaStreamCreate(&other);
    ncclGroupStart();
    rank.send(0);
    EXPECT_REFUSED(ncclRecv(rank.in, 1, ncclUint32, 0, rank.comm, other), "in one group");
    EXPECT_REFUSED(ncclGroupEnd(), "no ncclGroupStart");
    cudaStreamDestroy(other);
  });
}

TEST_F(NcclRefusals, RefusesRanksThatAreNotThere) {
  on_ranks(2, [](Rank& rank) {
    EXPECT_REFUSED(rank.send(2), "rank 2 of a communicator of 2 ranks");
    EXPECT_REFUSED(rank.receive(-1), "rank -1");
  });
  ncclUniqueId id;
  ncclComm_t comm = nullptr;
  ncclGetUniqueId(&id);
  EXPECT_REFUSED(ncclCommInitRank(&comm, 2, id, 2), "rank 2 of 2 ranks");
  EXPECT_REFUSED(ncclCommInitRank(&comm, 2, id, 0), "within one process only");
  EXPECT_REFUSED(ncclCommInitRank(&comm, 1, {}, 0), "of this process did not give");
  settings().devices = 2;
  EXPECT_REFUSED(run_ranks(2,
                           [&](int rank) {
                             cudaSetDevice(rank);
                             ncclComm_t own = nullptr;
                             ncclCommInitRank(&own, 2, id, 0);
                           }),
                 "rank 0 is there already");
  ncclGetUniqueId(&id);
  EXPECT_REFUSED(run_ranks(2,
                           [&](int rank) {
                             cudaSetDevice(rank);
                             ncclComm_t own = nullptr;
                             ncclCommInitRank(&own, 2 + rank, id, rank);
                           }),
                 "3 ranks here, 2 on the rank that came first");
}

TEST_F(NcclRefusals, RefusesTwoRanksOnOneGpu) {
  ncclUniqueId id;
  ncclGetUniqueId(&id);
  EXPECT_REFUSED(run_ranks(2,
                           [&](int rank) {
                             ncclComm_t comm = nullptr;
                             ncclCommInitRank(&comm, 2, id, rank);
                           }),
                 "ranks 0 and 1 both use device 0");
}

TEST_F(NcclRefusals, RefusesWrongBuffers) {
  on_ranks(1, [](Rank& rank) {
    std::uint32_t host[6] = {};
    const auto gather = [&](const void* from, void* to, std::size_t count) {
      ncclAllGather(from, to, count, ncclUint32, rank.comm, rank.stream);
    };
    EXPECT_REFUSED(gather(host, rank.in, 1), "what is sent");
    EXPECT_REFUSED(gather(nullptr, rank.in, 1), "what is sent");
    EXPECT_REFUSED(gather(rank.out, host, 1), "what is received");
    EXPECT_REFUSED(gather(rank.out, rank.in, 7), "24 bytes to the end of its allocation, 28");
    EXPECT_REFUSED(gather(rank.in + 1, rank.in, 2), "but not in place");
    ncclGroupStart();
    rank.send(0, 2);
    ncclRecv(rank.out + 1, 2, ncclUint32, 0, rank.comm, rank.stream);
    EXPECT_REFUSED(ncclGroupEnd(), "of the same group, reads or writes");
  });
}

TEST_F(NcclRefusals, RefusesStreamsOfOtherDevices) {
  on_ranks(2, [](Rank& rank) {
    cudaStream_t other = nullptr;
    cudaSetDevice(1 - rank.number);
    cudaStreamCreate(&other);
    EXPECT_REFUSED(ncclSend(rank.out, 1, ncclUint32, 0, rank.comm, other), "a stream of device");
    cudaStreamDestroy(other);
    cudaSetDevice(rank.number);
  });
}

TEST_F(NcclRefusals, RefusesCallsWithoutACommunicator) {
  on_ranks(1, [](Rank& rank) {
    rank.capture([&] {
      ncclAllGather(rank.out, rank.in, 1, ncclUint32, rank.comm, rank.stream);
      EXPECT_REFUSED(ncclCommDestroy(rank.comm), "during a capture");
    });
    ncclCommDestroy(rank.comm);
    EXPECT_REFUSED(ncclCommDestroy(rank.comm), "a destroyed one");
    EXPECT_REFUSED(cudaGraphLaunch(rank.graph, rank.stream), "a destroyed one");
    EXPECT_REFUSED(rank.send(0), "a destroyed one");
    rank.comm = nullptr;
  });
}

}  // namespace
}  // namespace metatape
