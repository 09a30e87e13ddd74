#include "kernels/emulation/ranks.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/emulation/error.h"
#include "kernels/emulation/settings.h"

namespace metatape::kernels::emulation {
namespace {

constexpr int kNobody = -1;

struct RankThread {
  bool ended = false;
  std::function<bool()> ready;  ///< empty: does not wait
  std::string waits_for;
};

/// What unwinds the ranks that wait when another one failed.
struct Stopped {};

class Ranks {
 public:
  explicit Ranks(int count) : ranks_(std::size_t(count)), random_(settings().seed) {}

  void run(const std::function<void(int)>& body);
  bool wait(const std::function<bool()>& ready, const std::string& what);

 private:
  void run_one(const std::function<void(int)>& body, int rank);
  void await_turn(std::unique_lock<std::mutex>&, int rank);
  /// Hands over to a rank that can go on; where there is none, all of them stop.
  void give_way();
  int next_rank();
  std::string deadlock() const;

  std::mutex mutex_;
  std::condition_variable changed_;
  int running_ = kNobody;
  std::vector<RankThread> ranks_;
  std::exception_ptr failure_;
  std::mt19937_64 random_;
};

Ranks* ranks_of_program = nullptr;
thread_local int this_rank = kNobody;

void Ranks::run(const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int rank = 0; rank < int(ranks_.size()); ++rank)
    threads.emplace_back([this, &body, rank] { run_one(body, rank); });
  {
    const std::lock_guard lock(mutex_);
    give_way();
  }
  for (std::thread& thread : threads) thread.join();
  if (failure_) std::rethrow_exception(failure_);
}

void Ranks::run_one(const std::function<void(int)>& body, int rank) {
  this_rank = rank;
  std::unique_lock lock(mutex_);
  try {
    await_turn(lock, rank);
    lock.unlock();
    body(rank);
    lock.lock();
  } catch (const Stopped&) {
    if (!lock.owns_lock()) lock.lock();
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    if (!failure_) failure_ = std::current_exception();
  }
  ranks_[std::size_t(rank)].ended = true;
  give_way();
}

void Ranks::await_turn(std::unique_lock<std::mutex>& lock, int rank) {
  changed_.wait(lock, [&] { return running_ == rank; });
  if (failure_) throw Stopped();
}

bool Ranks::wait(const std::function<bool()>& ready, const std::string& what) {
  std::unique_lock lock(mutex_);
  if (failure_) return false;
  RankThread& self = ranks_[std::size_t(this_rank)];
  self.ready = ready;
  self.waits_for = what;
  give_way();
  await_turn(lock, this_rank);
  self.ready = {};
  return true;
}

void Ranks::give_way() {
  running_ = next_rank();
  if (running_ == kNobody && !failure_) {
    const bool ended = std::ranges::all_of(ranks_, &RankThread::ended);
    if (!ended) failure_ = std::make_exception_ptr(EmulationError(deadlock()));
    running_ = next_rank();
  }
  changed_.notify_all();
}

int Ranks::next_rank() {
  std::vector<int> order(ranks_.size());
  std::iota(order.begin(), order.end(), 0);
  if (settings().order == Order::descending) std::ranges::reverse(order);
  if (settings().order == Order::random) std::ranges::shuffle(order, random_);
  for (const int rank : order) {
    const RankThread& candidate = ranks_[std::size_t(rank)];
    if (candidate.ended) continue;
    if (failure_ || !candidate.ready || candidate.ready()) return rank;
  }
  return kNobody;
}

std::string Ranks::deadlock() const {
  std::string text = "[ranks] none of them can go on";
  for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
    text += "; rank " + std::to_string(rank);
    text += ranks_[rank].ended ? " has ended" : " waits in " + ranks_[rank].waits_for;
  }
  return text;
}

}  // namespace

void run_ranks(int count, const std::function<void(int)>& body) {
  if (ranks_of_program) throw EmulationError("[ranks] run_ranks runs already");
  Ranks ranks(count);
  ranks_of_program = &ranks;
  try {
    ranks.run(body);
  } catch (...) {
    ranks_of_program = nullptr;
    throw;
  }
  ranks_of_program = nullptr;
}

bool is_rank() { return this_rank != kNobody; }

bool wait_until(const std::function<bool()>& ready, const std::string& what) {
  if (ready()) return true;
  if (!is_rank()) throw EmulationError("[ranks] nobody else runs, but this one waits in " + what);
  return ranks_of_program->wait(ready, what);
}

}  // namespace metatape::kernels::emulation
