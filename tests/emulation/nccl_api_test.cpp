#include "kernels/emulation/nccl_api.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/ranks.h"
#include "kernels/emulation/settings.h"
#include "tests/emulation/expect_refused.h"

namespace metatape {
namespace {

using kernels::emulation::Order;
using kernels::emulation::run_ranks;
using kernels::emulation::settings;
using kernels::emulation::wait_until;

constexpr std::uint32_t kFresh = 0xFFFFFFFF;

/// Two arrays of 6 words on a device, one to send and one to receive.
struct Rank {
  static constexpr int kCount = 6;

  Rank(int number, int size, ncclUniqueId id) : number(number), size(size) {
    cudaSetDevice(number % settings().devices);
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    for (std::uint32_t** array : {&out, &in}) cudaMalloc(array, kCount * sizeof(std::uint32_t));
    std::vector<std::uint32_t> values;
    for (int i = 0; i < kCount; ++i) values.push_back(std::uint32_t(10 * number + i));
    cudaMemcpy(out, values.data(), kCount * sizeof(std::uint32_t), cudaMemcpyHostToDevice);
    EXPECT_EQ(ncclCommInitRank(&comm, size, id, number), ncclSuccess);
  }
  ~Rank() {
    if (comm) ncclCommDestroy(comm);
    if (graph) cudaGraphExecDestroy(graph);
    cudaStreamDestroy(stream);
    cudaFree(out);
    cudaFree(in);
  }

  void send(int peer, int count = 1) { ncclSend(out, count, ncclUint32, peer, comm, stream); }
  void receive(int peer, int count = 1, int place = 0) {
    ncclRecv(in + place, count, ncclUint32, peer, comm, stream);
  }
  /// Sends `count` words to each other rank and receives as many from it, place by place.
  void exchange(int count = 1) {
    ncclGroupStart();
    for (int r = 0; r < size; ++r) {
      if (r == number) continue;
      send(r, count);
      receive(r, count, r * count);
    }
    ncclGroupEnd();
  }
  void capture(const std::function<void()>& enqueue) {
    cudaGraph_t captured = nullptr;
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    enqueue();
    cudaStreamEndCapture(stream, &captured);
    cudaGraphInstantiate(&graph, captured);
    cudaGraphDestroy(captured);
  }
  std::vector<std::uint32_t> received() {
    cudaStreamSynchronize(stream);
    std::vector<std::uint32_t> values(kCount);
    cudaMemcpy(values.data(), in, kCount * sizeof(std::uint32_t), cudaMemcpyDeviceToHost);
    return values;
  }
  ncclResult_t error() {
    ncclResult_t status = ncclSuccess;
    ncclCommGetAsyncError(comm, &status);
    return status;
  }

  int number, size;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  std::uint32_t *out = nullptr, *in = nullptr;
  cudaGraphExec_t graph = nullptr;
};

class NcclApi : public testing::Test {
 protected:
  void SetUp() override { settings() = {}; }
  void TearDown() override {
    settings() = {};
    EXPECT_EQ(kernels::emulation::device_allocations(), 0u);
  }

  static void on_ranks(int size, const std::function<void(Rank&)>& body) {
    settings().devices = size;
    ncclUniqueId id;
    ncclGetUniqueId(&id);
    run_ranks(size, [&](int number) {
      Rank rank(number, size, id);
      body(rank);
    });
  }
};

/// In every order of the ranks, at once and in late mode.
void in_every_way(const std::function<void()>& body) {
  for (const bool late : {false, true}) {
    for (const Order order : {Order::ascending, Order::descending, Order::random}) {
      SCOPED_TRACE(testing::Message() << "order " << int(order) << (late ? ", late" : ""));
      settings().late = late;
      settings().order = order;
      settings().seed = 3;
      body();
    }
  }
  settings() = {};
}

TEST_F(NcclApi, GroupedSendsMeetTheirReceives) {
  in_every_way([] {
    on_ranks(3, [](Rank& rank) {
      rank.exchange(2);
      std::vector<std::uint32_t> expected{0, 1, 10, 11, 20, 21};
      expected[std::size_t(2 * rank.number)] = expected[std::size_t(2 * rank.number + 1)] = kFresh;
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

TEST_F(NcclApi, ReportsSendsThatWaitForEachOther) {
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

TEST_F(NcclApi, ReportsARankThatEndsBeforeTheOthersAreServed) {
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

TEST_F(NcclApi, RefusesOtherSizesOnTheOtherSide) {
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

TEST_F(NcclApi, RefusesOtherCallsOnOtherRanks) {
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

TEST_F(NcclApi, RefusesACaptureOnSomeRanksOnly) {
  EXPECT_REFUSED(on_ranks(2,
                          [](Rank& rank) {
                            if (rank.number == 1) return rank.exchange();
                            rank.capture([&] { rank.exchange(); });
                            cudaGraphLaunch(rank.graph, rank.stream);
                          }),
                 "captured on rank 0, but not on rank 1");
}

TEST_F(NcclApi, RefusesWrongGroups) {
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

TEST_F(NcclApi, RefusesRanksThatAreNotThere) {
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

TEST_F(NcclApi, RefusesTwoRanksOnOneGpu) {
  ncclUniqueId id;
  ncclGetUniqueId(&id);
  EXPECT_REFUSED(run_ranks(2,
                           [&](int rank) {
                             ncclComm_t comm = nullptr;
                             ncclCommInitRank(&comm, 2, id, rank);
                           }),
                 "ranks 0 and 1 both use device 0");
}

TEST_F(NcclApi, RefusesWrongBuffers) {
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

TEST_F(NcclApi, RefusesStreamsOfOtherDevices) {
  on_ranks(2, [](Rank& rank) {
    cudaStream_t other = nullptr;
    cudaSetDevice(1 - rank.number);
    cudaStreamCreate(&other);
    EXPECT_REFUSED(ncclSend(rank.out, 1, ncclUint32, 0, rank.comm, other), "a stream of device");
    cudaStreamDestroy(other);
    cudaSetDevice(rank.number);
  });
}

TEST_F(NcclApi, RefusesCallsWithoutACommunicator) {
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
