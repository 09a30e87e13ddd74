#pragma once

// What the CPU and a GPU do alike: the draws of one task, and where a turned image's pixels are.

#include "kernels/common/host_device.h"
#include "kernels/episodes/episodes.h"

namespace metatape::kernels {

inline constexpr std::uint32_t kQuarterTurns = 4;

/// Task t of draw_members. A task's part of y is also its scratch: the drawn groups wait at its
/// end, where results of earlier groups never reach (2 members >= 1 words each).
MT_HOST_DEVICE inline void draw_task(const DrawMembersArgs& args, std::int64_t t) {
  const std::int64_t row_words = 2 * args.members;
  auto* y = reinterpret_cast<std::uint32_t*>(args.y) + t * args.groups * row_words;
  std::uint32_t* drawn = y + args.groups * (row_words - 1);
  const auto members = std::uint32_t(args.members);
  const std::uint32_t pool =
      std::uint32_t(args.rows) * (args.turns == Turns::as_groups ? kQuarterTurns : 1);

  RandomStream random(args.seed, args.purpose, std::uint32_t(*args.iteration),
                      std::uint32_t(*args.first_task) + std::uint32_t(t));
  draw_distinct(random, pool, std::uint32_t(args.groups), drawn);
  for (std::int64_t g = 0; g < args.groups; ++g) {
    std::uint32_t group = drawn[g], turn = 0;
    if (args.turns == Turns::as_groups) {
      turn = group % kQuarterTurns;
      group /= kQuarterTurns;
    } else if (args.turns == Turns::per_group) {
      turn = random.below(kQuarterTurns);
    }
    const auto first = std::uint32_t(args.table[2 * group]);
    const auto count = std::uint32_t(args.table[2 * group + 1]);
    std::uint32_t* row = y + g * row_words;
    draw_distinct(random, count, members, row);
    for (std::uint32_t m = members; m-- > 0;) {  // backwards: pairs grow over what is done
      row[2 * m] = first + row[m];
      row[2 * m + 1] = turn;
    }
  }
}

/// Pixel (r, c) of the turned image is pixel start + r * down + c * right of the image.
struct PixelWalk {
  int start, down, right;
};

MT_HOST_DEVICE inline PixelWalk turned_walk(int height, int width, std::int32_t turns) {
  const int last = width - 1;
  switch (height == width ? turns & 3 : 0) {
    case 1:
      return {last, -1, width};
    case 2:
      return {height * width - 1, -width, -1};
    case 3:
      return {last * width, 1, -width};
    default:
      return {0, width, 1};
  }
}

}  // namespace metatape::kernels
