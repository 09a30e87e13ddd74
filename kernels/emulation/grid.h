#pragma once

// A launch while it runs: one block at a time, its threads as fibers. grid.cpp decides who runs,
// barrier.cpp, warp.cpp and shared_memory.cpp are what a thread may ask for.

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "kernels/emulation/error.h"
#include "kernels/emulation/fiber.h"
#include "kernels/emulation/guarded_bytes.h"
#include "kernels/emulation/kernel_calls.h"
#include "kernels/emulation/launch.h"

namespace metatape::kernels::emulation {

inline constexpr int kWarp = 32;
inline constexpr unsigned kMostThreads = 1024;
inline constexpr std::size_t kSharedBytes = 48 * 1024;
inline constexpr std::size_t kSharedBytesOptIn = 227 * 1024;  // sm_90

struct Thread {
  enum class State { ready, at_barrier, at_warp_operation, returned };

  Fiber fiber;
  uint3 index{};
  int number = 0;  ///< in the block, x fastest
  State state = State::ready;
  const char* operation = "";  ///< what it waits in
  Site site;                   ///< and where
  std::uint64_t result = 0;    ///< of the warp operation it waited in

  int lane() const { return number % kWarp; }
};

/// Lanes of one warp that take part in operations with the same mask.
struct WarpGroup {
  unsigned mask;
  unsigned arrived = 0;
  WarpOperation operation{};
  Site site;
  WarpArgument argument[kWarp] = {};
  char synchronisation[2] = {};  ///< objects for the thread sanitizer, used in turn
  int turn = 0;
};

struct Warp {
  unsigned existing = 0;  ///< a mask: the last warp of a block may have fewer than 32 lanes
  unsigned returned = 0;
  std::deque<WarpGroup> groups;
};

struct SharedArray {
  const void* key;  ///< of the declaration; null for the dynamic one
  const char* name;
  GuardedBytes bytes;
};

class Grid {
 public:
  explicit Grid(const LaunchShape& shape, const KernelCall& call);
  ~Grid();

  /// Runs every block; throws EmulationError for the first thing that is wrong.
  void run();

  // For the thread that runs now.
  Thread& thread() { return *thread_; }
  Warp& warp_of(const Thread& thread) { return warps_[thread.number / kWarp]; }
  const uint3& block() const { return block_; }
  const LaunchShape& shape() const { return shape_; }
  int block_barrier(Vote, bool predicate, Site);
  std::uint64_t warp_operation(WarpOperation, unsigned mask, WarpArgument, Site);
  void* shared_array(const void* key, const char* name, std::size_t size, std::size_t alignment,
                     Site);

  /// "kernel k, block (0, 0, 0), thread (1, 0, 0)"
  std::string where() const;

 private:
  void run_block();
  bool run_ready_threads();
  static void thread_body(void* grid);
  void thread_returned();
  [[noreturn]] void fail_returned(Site, const char* others);
  void wait(Thread::State, const char* operation, Site);
  std::string wrong_use(WarpOperation, unsigned mask, WarpArgument);
  WarpGroup& group_of(unsigned mask);
  void finish_group(Warp&, WarpGroup&);
  void check_shared_arrays();
  [[noreturn]] void stop_deadlocked();
  std::string missing_lanes(const Thread& waiting);
  /// Ends the launch; `found` is taken over, because this stack is never unwound.
  [[noreturn]] void fail(Site, std::string found);
  Thread& thread_at(int number) { return *threads_[first_ + number]; }

  const LaunchShape& shape_;
  const KernelCall& call_;
  const int size_;  ///< threads of a block

  uint3 block_{};
  Thread* thread_ = nullptr;
  std::vector<std::unique_ptr<Thread>>& threads_;
  std::size_t first_ = 0;  ///< where the threads of this block begin in threads_
  std::vector<int> order_;
  std::string failure_;

  int returned_ = 0;
  int arrived_ = 0;  ///< at the block's barrier
  int votes_ = 0, vote_result_ = 0;
  Vote vote_{};
  Site barrier_site_;
  char barrier_[2] = {};  ///< objects for the thread sanitizer, used in turn
  int barrier_turn_ = 0;

  std::vector<Warp> warps_;
  std::vector<SharedArray> shared_;
  std::vector<GuardedBytes> kept_;  ///< shared arrays of earlier blocks, for the thread sanitizer
  std::size_t static_shared_bytes_ = 0;
};

/// Whether two calls stand on one source line. That identifies a barrier: g++ -O2 may have copied
/// the call, so its return address does not.
bool same_line(Site, Site);

/// "kernel k"
std::string subject_of(const LaunchShape&);
/// "0x0000ffff"
std::string hexadecimal(unsigned mask);

/// The launch that runs now; null between launches.
Grid* current_grid();

}  // namespace metatape::kernels::emulation
