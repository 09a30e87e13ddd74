#include "kernels/emulation/grid.h"

#include <algorithm>
#include <exception>
#include <numeric>
#include <random>
#include <utility>

#include "kernels/emulation/sanitizers.h"
#include "kernels/emulation/settings.h"

namespace metatape::kernels::emulation {
namespace {

Grid* running = nullptr;
std::mt19937_64 random_order;

/// Threads of all launches, in turn. With new stacks for each, a launch of 256 takes 2.8 ms instead
/// of 12 us.
std::vector<std::unique_ptr<Thread>>& thread_pool() {
  static auto* pool = new std::vector<std::unique_ptr<Thread>>;
  return *pool;
}

/// 0..count-1 in the order of the settings.
void arrange(std::vector<int>& order, int count) {
  order.resize(count);
  std::iota(order.begin(), order.end(), 0);
  if (settings().order == Order::descending) std::reverse(order.begin(), order.end());
  if (settings().order == Order::random) std::shuffle(order.begin(), order.end(), random_order);
}

uint3 index_of(int number, dim3 extents) {
  const unsigned n = unsigned(number);
  return {n % extents.x, n / extents.x % extents.y, n / extents.x / extents.y};
}

}  // namespace

Grid* current_grid() { return running; }

Grid::Grid(const LaunchShape& shape, const KernelCall& call)
    : shape_(shape),
      call_(call),
      size_(int(shape.block.x * shape.block.y * shape.block.z)),
      threads_(thread_pool()) {
  random_order.seed(settings().seed);
  running = this;
}

Grid::~Grid() {
  for (const auto& thread : threads_) thread->fiber.retire();
  running = nullptr;
}

void Grid::run() {
  std::vector<int> blocks;
  arrange(blocks, int(shape_.grid.x * shape_.grid.y * shape_.grid.z));
  for (const int block : blocks) {
    block_ = index_of(block, shape_.grid);
    run_block();
    // The thread sanitizer needs a thread of its own for each CUDA thread of the launch.
    if (has_thread_sanitizer()) first_ += size_;
  }
}

void Grid::run_block() {
  while (threads_.size() < first_ + size_) threads_.push_back(std::make_unique<Thread>());
  warps_.assign((size_ + kWarp - 1) / kWarp, {});
  returned_ = arrived_ = 0;
  static_shared_bytes_ = 0;
  shared_.push_back({nullptr, "dynamic shared memory", GuardedBytes(shape_.shared_bytes, 16)});
  for (int i = 0; i < size_; ++i) {
    Thread& thread = thread_at(i);
    thread.number = i;
    thread.index = index_of(i, shape_.block);
    thread.state = Thread::State::ready;
    warp_of(thread).existing |= 1u << thread.lane();
    thread.fiber.start(thread_body, this);
  }
  release(this);  // each thread begins after all that the host did until here
  arrange(order_, size_);
  while (run_ready_threads()) {
    if (settings().order == Order::random) arrange(order_, size_);
  }
  if (returned_ < size_) stop_deadlocked();
  check_shared_arrays();
}

bool Grid::run_ready_threads() {
  bool progress = false;
  for (const int i : order_) {
    thread_ = &thread_at(i);
    if (thread_->state != Thread::State::ready) continue;
    progress = true;
    thread_->fiber.resume();
    if (!failure_.empty()) throw EmulationError(failure_);
  }
  return progress;
}

void Grid::thread_body(void* grid) {
  Grid& self = *static_cast<Grid*>(grid);
  acquire(grid);
  std::string thrown;
  try {
    self.call_.run();
  } catch (const std::exception& error) {
    thrown = error.what();
  } catch (...) {
    thrown = "something";
  }
  if (!thrown.empty()) {
    thrown = "the kernel threw (" + thrown + "); kernels cannot throw";
    self.fail(self.shape_.site, std::move(thrown));
  }
  self.thread_returned();
}

void Grid::thread_returned() {
  Thread& self = *thread_;
  self.state = Thread::State::returned;
  ++returned_;
  Warp& warp = warp_of(self);
  warp.returned |= 1u << self.lane();
  const unsigned me = 1u << self.lane();
  for (const WarpGroup& group : warp.groups) {
    if (group.arrived && group.mask & me) fail_returned(group.site, "lanes of its warp");
  }
  if (arrived_ > 0) fail_returned(barrier_site_, "threads");
}

void Grid::fail_returned(Site site, const char* others) {
  std::string found = std::string("it returned while ") + others +
                      " wait for it there; every thread has to arrive before any returns";
  fail(site, std::move(found));
}

void Grid::wait(Thread::State state, const char* operation, Site site) {
  Thread& self = *thread_;
  self.state = state;
  self.operation = operation;
  self.site = site;
  self.fiber.suspend();
}

void Grid::stop_deadlocked() {
  std::string found, seen;
  for (int i = 0; i < size_; ++i) {
    const Thread& waiting = thread_at(i);
    if (waiting.state == Thread::State::returned) continue;
    const std::string place =
        waiting.operation + (" at " + text_of(waiting.site)) + missing_lanes(waiting);
    if (seen.find(place) != std::string::npos) continue;
    seen += place;
    thread_ = &thread_at(i);
    found += "; thread " + text_of(waiting.index) + " waits in " + place;
  }
  throw EmulationError("[" + where() + "] nobody can go on" + found +
                       "; all lanes of a mask, and all threads at a barrier, have to arrive");
}

std::string Grid::missing_lanes(const Thread& waiting) {
  for (const WarpGroup& group : warp_of(waiting).groups) {
    if (!(group.arrived >> waiting.lane() & 1)) continue;
    return " for lanes " + hexadecimal(group.mask & warp_of(waiting).existing & ~group.arrived);
  }
  return {};
}

std::string Grid::where() const {
  std::string text = subject_of(shape_) + ", block " + text_of(block_);
  if (thread_) text += ", thread " + text_of(thread_->index);
  return text;
}

void Grid::fail(Site site, std::string found) {
  failure_ = "[" + where() + "] " + text_of(site) + ": " + found;
  std::string().swap(found);
  thread_->fiber.suspend();
  std::terminate();  // nobody resumes a thread of a failed launch
}

const uint3& thread_index() { return running->thread().index; }
const uint3& block_index() { return running->block(); }
const dim3& block_extents() { return running->shape().block; }
const dim3& grid_extents() { return running->shape().grid; }

}  // namespace metatape::kernels::emulation
