#include <bit>
#include <utility>

#include "kernels/emulation/grid.h"
#include "kernels/emulation/sanitizers.h"
#include "kernels/emulation/tensor_core.h"

namespace metatape::kernels::emulation {
namespace {

constexpr std::uint64_t kNobodysValue = ~std::uint64_t{0};

const char* name_of(WarpOperation operation) {
  switch (operation) {
    case WarpOperation::synchronise:
      return "__syncwarp";
    case WarpOperation::ballot:
      return "__ballot_sync, __any_sync or __all_sync";
    case WarpOperation::shuffle:
      return "__shfl_sync";
    case WarpOperation::shuffle_up:
      return "__shfl_up_sync";
    case WarpOperation::shuffle_down:
      return "__shfl_down_sync";
    case WarpOperation::shuffle_xor:
      return "__shfl_xor_sync";
    case WarpOperation::multiply_matrices:
      return "mma.sync";
  }
  return "";
}

/// The lane whose value `lane` receives. CUDA C++ Programming Guide, "Warp Shuffle Functions".
int source_lane(WarpOperation operation, int lane, WarpArgument argument) {
  const int first = lane & -argument.width, last = first + argument.width - 1;
  switch (operation) {
    case WarpOperation::shuffle:
      return first + (argument.lane & (argument.width - 1));
    case WarpOperation::shuffle_up:
      return lane - argument.lane < first ? lane : lane - argument.lane;
    case WarpOperation::shuffle_down:
      return lane + argument.lane > last ? lane : lane + argument.lane;
    case WarpOperation::shuffle_xor:
      return (lane ^ argument.lane) > last ? lane : lane ^ argument.lane;
    default:
      return lane;
  }
}

}  // namespace

std::string hexadecimal(unsigned mask) {
  std::string digits = "0x00000000";
  for (int i = 0; i < 8; ++i) digits[9 - i] = "0123456789abcdef"[mask >> 4 * i & 15];
  return digits;
}

/// Empty, or what is wrong with a call whatever the other lanes do.
std::string Grid::wrong_use(WarpOperation operation, unsigned mask, WarpArgument argument) {
  const unsigned returned = mask & warp_of(thread()).returned;
  const int lane = thread().lane();
  const auto call = [&] { return std::string(name_of(operation)) + " with "; };
  if (operation == WarpOperation::multiply_matrices && ~warp_of(thread()).existing) {
    return call() + "lanes " + hexadecimal(warp_of(thread()).existing) + "; it needs all 32";
  }
  if (!(mask >> lane & 1)) {
    return call() + "mask " + hexadecimal(mask) + ", which omits the caller's lane " +
           std::to_string(lane);
  }
  if (returned) {
    return call() + "mask " + hexadecimal(mask) + ", but lanes " + hexadecimal(returned) +
           " have returned; no lane named may return before";
  }
  if (argument.width < 1 || argument.width > kWarp ||
      !std::has_single_bit(unsigned(argument.width))) {
    return call() + "width " + std::to_string(argument.width) +
           "; it has to be 1, 2, 4, 8, 16 or 32";
  }
  return {};
}

WarpGroup& Grid::group_of(unsigned mask) {
  auto& groups = warp_of(thread()).groups;
  for (WarpGroup& group : groups) {
    if (group.mask == mask) return group;
  }
  thread().fiber.as_host([&] { groups.push_back({mask}); });
  return groups.back();
}

std::uint64_t Grid::warp_operation(WarpOperation operation, unsigned mask, WarpArgument argument,
                                   Site site) {
  if (std::string found = wrong_use(operation, mask, argument); !found.empty()) {
    fail(site, std::move(found));
  }
  Thread& self = thread();
  Warp& warp = warp_of(self);
  WarpGroup& group = group_of(mask);
  if (!group.arrived) {
    group.operation = operation;
    group.site = site;
  } else if (operation != group.operation || !same_line(site, group.site)) {
    std::string found = std::string(name_of(operation)) + " while lanes " +
                        hexadecimal(group.arrived) + " wait for this one in " +
                        name_of(group.operation) + " at " + text_of(group.site) +
                        "; all lanes of a mask have to execute the same operation";
    fail(site, std::move(found));
  }

  group.arrived |= 1u << self.lane();
  group.argument[self.lane()] = argument;
  char* const object = &group.synchronisation[group.turn];
  const bool orders_memory = operation == WarpOperation::synchronise;  // shuffles do not
  if (orders_memory) release(object);
  if (group.arrived == (mask & warp.existing)) {
    finish_group(warp, group);
  } else {
    wait(Thread::State::at_warp_operation, name_of(operation), site);
  }
  if (orders_memory) acquire(object);
  return self.result;
}

void Grid::finish_group(Warp& warp, WarpGroup& group) {
  if (group.operation == WarpOperation::multiply_matrices) {
    MatrixFragments* lanes[kWarp];
    for (int lane = 0; lane < kWarp; ++lane) {
      lanes[lane] = std::bit_cast<MatrixFragments*>(group.argument[lane].value);
    }
    multiply_fragments(lanes);
  }
  std::uint64_t ballot = 0;
  for (int lane = 0; lane < kWarp; ++lane) {
    if (group.arrived >> lane & 1 && group.argument[lane].value) ballot |= std::uint64_t{1} << lane;
  }
  const int first = int(&warp - warps_.data()) * kWarp;
  for (int lane = 0; lane < kWarp; ++lane) {
    if (!(group.arrived >> lane & 1)) continue;
    const int source = source_lane(group.operation, lane, group.argument[lane]);
    Thread& thread = thread_at(first + lane);
    thread.state = Thread::State::ready;
    thread.result = group.operation == WarpOperation::ballot ? ballot
                    : group.arrived >> source & 1            ? group.argument[source].value
                                                             : kNobodysValue;
  }
  group.arrived = 0;
  group.turn ^= 1;
}

std::uint64_t warp_operation(WarpOperation operation, unsigned mask, WarpArgument argument,
                             Site site) {
  return current_grid()->warp_operation(operation, mask, argument, site);
}

unsigned live_lanes() {
  Grid& grid = *current_grid();
  const Warp& warp = grid.warp_of(grid.thread());
  return warp.existing & ~warp.returned;
}

}  // namespace metatape::kernels::emulation
