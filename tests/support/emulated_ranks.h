#pragma once

// The ranks of a run as threads of a test, each with an emulated GPU of its own.

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/emulation/nccl_api.h"
#include "kernels/emulation/ranks.h"
#include "kernels/emulation/runtime_api.h"
#include "kernels/emulation/settings.h"
#include "kernels/ranks/communicator.h"

namespace metatape {

/// What all ranks have shown each other: blocks, by rank and number of the exchange.
class RankBoard {
 public:
  using Blocks = std::vector<std::vector<char>>;

  explicit RankBoard(int size) : shown_(std::size_t(size)) {}

  int size() const { return int(shown_.size()); }

  /// Waits for the blocks of all ranks in the same exchange.
  Blocks exchange(int rank, const void* data, std::int64_t bytes) {
    Blocks& own = shown_[std::size_t(rank)];
    const auto* begin = static_cast<const char*>(data);
    own.emplace_back(begin, begin + bytes);
    const std::size_t number = own.size();
    kernels::emulation::wait_until(
        [&] {
          for (const Blocks& blocks : shown_)
            if (blocks.size() < number) return false;
          return true;
        },
        "exchange " + std::to_string(number) + " of the host");
    Blocks all;
    for (const Blocks& blocks : shown_) all.push_back(blocks[number - 1]);
    return all;
  }

 private:
  std::vector<Blocks> shown_;
};

/// What MPI is in a run: for host memory.
class HostRank : public kernels::Communicator {
 public:
  HostRank(RankBoard& board, int rank) : board_(board), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return board_.size(); }

  void exchange_slices(const void* array, void* slices, std::int64_t count,
                       std::int64_t element_bytes, void*) override {
    const kernels::RankSlice own = kernels::slice_of(count, rank_, size());
    auto* to = static_cast<char*>(slices);
    for (const auto& other : board_.exchange(rank_, array, count * element_bytes))
      to = std::copy_n(other.data() + own.begin * element_bytes, own.count() * element_bytes, to);
  }

  void gather_slices(void* array, std::int64_t count, std::int64_t element_bytes, void*) override {
    auto* to = static_cast<char*>(array);
    int r = 0;
    for (const auto& other : board_.exchange(rank_, array, count * element_bytes)) {
      const kernels::RankSlice slice = kernels::slice_of(count, r++, size());
      to = std::copy_n(other.data() + slice.begin * element_bytes, slice.count() * element_bytes,
                       to);
    }
  }

  void gather_blocks(const void* block, void* blocks, std::int64_t count,
                     std::int64_t element_bytes, void*) override {
    auto* to = static_cast<char*>(blocks);
    for (const auto& other : board_.exchange(rank_, block, count * element_bytes))
      to = std::ranges::copy(other, to).out;
  }

  [[noreturn]] void abort(int exit_code) override {
    throw std::runtime_error("rank " + std::to_string(rank_) + " aborts with " +
                             std::to_string(exit_code));
  }

 private:
  RankBoard& board_;
  int rank_;
};

/// What is left of a rank that dies when all have begun.
inline void join_nccl_and_die(HostRank& host) {
  ncclUniqueId id{};
  std::vector<ncclUniqueId> ids(std::size_t(host.size()));
  host.gather_blocks(&id, ids.data(), sizeof id / 4, 4, nullptr);
  ncclComm_t comm = nullptr;
  ncclCommInitRank(&comm, host.size(), ids[0], host.rank());
  ncclCommAbort(comm);
}

/// body(host) on each of `ranks` threads.
inline void run_on_ranks(int ranks, const std::function<void(HostRank& host)>& body) {
  RankBoard board(ranks);
  kernels::emulation::settings().devices = ranks;
  kernels::emulation::run_ranks(ranks, [&](int rank) {
    cudaSetDevice(rank);
    HostRank host(board, rank);
    body(host);
  });
  kernels::emulation::settings().devices = 1;
}

}  // namespace metatape
