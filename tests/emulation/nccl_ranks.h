#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/nccl_api.h"
#include "kernels/emulation/ranks.h"
#include "kernels/emulation/settings.h"

namespace metatape {

/// Two arrays of 6 words on a device, one to send and one to receive.
struct Rank {
  static constexpr int kCount = 6;

  Rank(int number, int size, ncclUniqueId id) : number(number), size(size) {
    cudaSetDevice(number % kernels::emulation::settings().devices);
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

/// For each test: settings of its own, and no device memory left.
class NcclTest : public testing::Test {
 protected:
  void SetUp() override { kernels::emulation::settings() = {}; }
  void TearDown() override {
    kernels::emulation::settings() = {};
    EXPECT_EQ(kernels::emulation::device_allocations(), 0u);
  }

  static void on_ranks(int size, const std::function<void(Rank&)>& body) {
    kernels::emulation::settings().devices = size;
    ncclUniqueId id;
    ncclGetUniqueId(&id);
    kernels::emulation::run_ranks(size, [&](int number) {
      Rank rank(number, size, id);
      body(rank);
    });
  }
};

/// In every order of the ranks, at once and in late mode.
inline void in_every_way(const std::function<void()>& body) {
  using kernels::emulation::Order, kernels::emulation::settings;
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

}  // namespace metatape
