#pragma once

// The ranks of a run as threads of one process: for host memory.

#include <barrier>
#include <cstring>
#include <exception>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "kernels/ranks/communicator.h"

namespace metatape {

/// What the ranks show each other in an exchange.
struct ThreadBoard {
  explicit ThreadBoard(int ranks) : shown(std::size_t(ranks)), all_there(ranks) {}

  std::vector<const char*> shown;
  std::barrier<> all_there;
};

class ThreadRank : public kernels::Communicator {
 public:
  ThreadRank(ThreadBoard& board, int rank) : board_(board), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return int(board_.shown.size()); }

  void exchange_slices(const void* array, void* slices, std::int64_t count,
                       std::int64_t element_bytes, void*) override {
    const kernels::RankSlice own = kernels::slice_of(count, rank_, size());
    const std::int64_t bytes = own.count() * element_bytes;
    meet(array, [&](int r, const char* other) {
      copy(other + own.begin * element_bytes, static_cast<char*>(slices) + r * bytes, bytes);
    });
  }

  void gather_slices(void* array, std::int64_t count, std::int64_t element_bytes, void*) override {
    meet(array, [&](int r, const char* other) {
      if (r == rank_) return;
      const kernels::RankSlice slice = kernels::slice_of(count, r, size());
      const std::int64_t begin = slice.begin * element_bytes;
      copy(other + begin, static_cast<char*>(array) + begin, slice.count() * element_bytes);
    });
  }

  void gather_blocks(const void* block, void* blocks, std::int64_t count,
                     std::int64_t element_bytes, void*) override {
    const std::int64_t bytes = count * element_bytes;
    meet(block, [&](int r, const char* other) {
      copy(other, static_cast<char*>(blocks) + r * bytes, bytes);
    });
  }

  [[noreturn]] void abort(int) override { throw std::logic_error("a thread cannot end others"); }

 private:
  static void copy(const char* from, char* to, std::int64_t bytes) {
    if (bytes > 0) std::memcpy(to, from, std::size_t(bytes));
  }

  template <class Take>
  void meet(const void* own, const Take& take) {
    board_.shown[std::size_t(rank_)] = static_cast<const char*>(own);
    board_.all_there.arrive_and_wait();
    for (int r = 0; r < size(); ++r) take(r, board_.shown[std::size_t(r)]);
    board_.all_there.arrive_and_wait();
  }

  ThreadBoard& board_;
  int rank_;
};

/// body(rank) on as many threads. What one of them throws must be thrown by all; that of the first
/// comes out.
inline void on_thread_ranks(int ranks, const std::function<void(ThreadRank&)>& body) {
  ThreadBoard board(ranks);
  std::vector<std::exception_ptr> thrown(std::size_t(ranks), nullptr);
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r)
    threads.emplace_back([&, r] {
      ThreadRank rank(board, r);
      try {
        body(rank);
      } catch (...) {
        thrown[std::size_t(r)] = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (thrown[0]) std::rethrow_exception(thrown[0]);
}

}  // namespace metatape
