#include "kernels/emulation/launch.h"

#include <cstdio>
#include <memory>
#include <string>

#include "kernels/emulation/device_memory.h"
#include "kernels/emulation/error.h"
#include "kernels/emulation/grid.h"
#include "kernels/emulation/sanitizers.h"
#include "kernels/emulation/stream.h"

namespace metatape::kernels::emulation {
namespace {

constexpr unsigned kMostBlocksX = 2147483647, kMostBlocksYz = 65535, kMostThreadsZ = 64;
// Beyond it the process has no mappings left, and libtsan dies.
constexpr std::uint64_t kMostSanitizedThreads = 6500;

/// Says which thread a sanitizer's report is about.
void print_where() {
  if (const Grid* grid = current_grid()) {
    std::fprintf(stderr, "metatape emulation: in %s\n", grid->where().c_str());
  }
}

void check_shape(const LaunchShape& shape) {
  const auto [gx, gy, gz] = shape.grid;
  const auto [bx, by, bz] = shape.block;
  const std::uint64_t threads = std::uint64_t{bx} * by * bz;
  const std::uint64_t blocks = std::uint64_t{gx} * gy * gz;
  std::string found;
  if (gx == 0 || gy == 0 || gz == 0 || gx > kMostBlocksX || gy > kMostBlocksYz ||
      gz > kMostBlocksYz) {
    found = "a grid of " + text_of(shape.grid) +
            " blocks; 1 to 2147483647 are possible in x, 1 to 65535 in y and z";
  } else if (blocks > kMostBlocksX) {
    found = "a grid of " + text_of(shape.grid) + " blocks, which is too many to emulate";
  } else if (threads == 0 || threads > kMostThreads || bz > kMostThreadsZ) {
    found = "a block of " + text_of(shape.block) +
            " threads; 1 to 1024 are possible in all, 1 to 64 in z";
  } else if (shape.shared_bytes > dynamic_shared_limit(shape.function)) {
    found = std::to_string(shape.shared_bytes) + " bytes of dynamic shared memory; at most " +
            std::to_string(dynamic_shared_limit(shape.function)) +
            " are allowed (cudaFuncSetAttribute raises that, to " +
            std::to_string(kSharedBytesOptIn) + ")";
  } else if (has_thread_sanitizer() && threads * blocks > kMostSanitizedThreads) {
    found = std::to_string(threads * blocks) + " threads; the thread sanitizer allows " +
            std::to_string(kMostSanitizedThreads) + " in a launch: use a smaller shape";
  }
  if (!found.empty()) refuse(subject_of(shape), shape.site, found);
}

}  // namespace

std::string subject_of(const LaunchShape& shape) {
  std::string name = shape.name;
  if (name.front() == '(') name = name.substr(1, name.size() - 2);
  return "kernel " + name;
}

void submit(const LaunchShape& shape, CUstream_st* stream, const KernelCall* taken) {
  const std::shared_ptr<const KernelCall> call(taken);
  check_shape(shape);
  call->check_arguments(shape);
  enqueue(stream, [shape, call] { run_grid(shape, *call); });
}

void run_grid(const LaunchShape& shape, const KernelCall& call) {
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(print_where);
  call.check_arguments(shape);  // again: a graph may outlive the memory
  {
    const DeviceAccess access;
    Grid(shape, call).run();
  }
  check_device_memory(subject_of(shape), shape.site);
}

}  // namespace metatape::kernels::emulation
