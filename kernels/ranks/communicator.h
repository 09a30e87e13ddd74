#pragma once

// How the processes of one run, its ranks, exchange arrays. Only data moves here: what is added is
// added by kernels (ranks.h), in one order.

#include <cstdint>

namespace metatape::kernels {

/// Elements [begin, end) of a flat array: the part that one rank works on.
struct RankSlice {
  std::int64_t begin, end;
  std::int64_t count() const { return end - begin; }
};
/// Of `count` elements and `ranks` ranks: [count rank / ranks, count (rank + 1) / ranks).
constexpr RankSlice slice_of(std::int64_t count, int rank, int ranks) {
  return {count * rank / ranks, count * (rank + 1) / ranks};
}

/// The ranks of a run as one of them sees them. Every rank makes the same calls in the same order,
/// with the same counts. Elements have 4 or 8 bytes; fewer than 2^31 of them move in one call.
///
/// `stream` is the cudaStream_t on which a communicator of GPUs enqueues, so that its calls can be
/// captured into a graph; pointers are then of that device. One of the CPU ignores it and has
/// finished when it returns.
///
/// Nothing here throws. What a library first refused is kept; whoever made the communicator asks
/// for it, when it is made and after calls.
class Communicator {
 public:
  Communicator() = default;
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// The slice of this rank out of the arrays [count] of all ranks:
  ///   slices[r, i] = array_r[begin + i],   slices [size, count of the own slice]
  /// `slices` does not overlap `array`.
  virtual void exchange_slices(const void* array, void* slices, std::int64_t count,
                               std::int64_t element_bytes, void* stream) = 0;
  /// In place: array [count] holds the own slice; afterwards that of each rank.
  virtual void gather_slices(void* array, std::int64_t count, std::int64_t element_bytes,
                             void* stream) = 0;
  /// blocks[r, i] = block_r[i],   block [count], blocks [size, count], which do not overlap.
  virtual void gather_blocks(const void* block, void* blocks, std::int64_t count,
                             std::int64_t element_bytes, void* stream) = 0;

  /// "ncclAllGather: unhandled system error" or the like; null: nothing failed.
  virtual const char* failure() const { return nullptr; }

  /// Ends the processes of all ranks, this one with `exit_code`, whatever they wait for.
  [[noreturn]] virtual void abort(int exit_code) = 0;
};

}  // namespace metatape::kernels
