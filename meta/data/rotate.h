#pragma once

#include <cstdint>
#include <span>

namespace metatape {

/// An image u8 [H, W, C] as floats byte / 255, turned counter-clockwise by `quarter_turns` (0..3)
/// times 90 degrees: pixels move, nothing is interpolated. Turns other than 0 need H == W.
/// One turn: y[r, c] = x[c, W-1-r].
void rotate_to_floats(std::span<const std::uint8_t> image, std::int64_t width,
                      std::int64_t channels, std::uint32_t quarter_turns, float* result);

}  // namespace metatape
