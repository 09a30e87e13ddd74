#pragma once

// Counter-based random numbers: a stream is a pure function of (seed, purpose, iteration, task), so
// the CPU, a GPU and any cut of the tasks over processes see the same numbers.

#include <cmath>
#include <cstdint>

#include "kernels/common/host_device.h"

namespace metatape::kernels {

/// What the numbers are for. Streams of different purposes never overlap. The values are part of
/// every golden hash: append, never renumber.
enum class RandomPurpose : std::uint32_t {
  initialisation = 0,
  training_episodes = 1,
  validation_episodes = 2,
  test_episodes = 3,
  class_split = 4,
  glyph_shapes = 5,
  glyph_drawings = 6,
};

struct PhiloxCounter {
  std::uint32_t word[4];
};

struct PhiloxKey {
  std::uint32_t word[2];
};

/// Philox4x32 with ten rounds: 128 random bits per counter value.
/// Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3",
/// sec. 3.3.
MT_HOST_DEVICE inline PhiloxCounter philox4x32(PhiloxCounter c, PhiloxKey k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p = std::uint64_t{0xD2511F53} * c.word[0];
    const std::uint64_t q = std::uint64_t{0xCD9E8D57} * c.word[2];
    c = {{std::uint32_t(q >> 32) ^ c.word[1] ^ k.word[0], std::uint32_t(q),
          std::uint32_t(p >> 32) ^ c.word[3] ^ k.word[1], std::uint32_t(p)}};
    k.word[0] += 0x9E3779B9;  // golden ratio
    k.word[1] += 0xBB67AE85;  // sqrt(3) - 1
  }
  return c;
}

/// The numbers of one (seed, purpose, iteration, task), in order. Period 2^34 words.
class RandomStream {
 public:
  MT_HOST_DEVICE RandomStream(std::uint64_t seed, RandomPurpose purpose, std::uint32_t iteration,
                              std::uint32_t task)
      : key_{{std::uint32_t(seed), std::uint32_t(seed >> 32)}},
        counter_{{0, task, iteration, std::uint32_t(purpose)}} {}

  /// 32 uniform bits.
  MT_HOST_DEVICE std::uint32_t bits() {
    if (used_ == 4) {
      block_ = philox4x32(counter_, key_);
      ++counter_.word[0];
      used_ = 0;
    }
    return block_.word[used_++];
  }

  /// Uniform in 0..n-1 without bias; n > 0.
  /// Source: Lemire 2019, "Fast random integer generation in an interval", algorithm 5.
  MT_HOST_DEVICE std::uint32_t below(std::uint32_t n) {
    std::uint64_t product = std::uint64_t{bits()} * n;
    if (std::uint32_t(product) < n) {
      const std::uint32_t rejected = (0u - n) % n;  // 2^32 mod n low values are one too many
      while (std::uint32_t(product) < rejected) product = std::uint64_t{bits()} * n;
    }
    return std::uint32_t(product >> 32);
  }

  /// Uniform in [0, 1), a multiple of 2^-32.
  MT_HOST_DEVICE double uniform() { return bits() * 0x1p-32; }

  /// Standard normal by Box-Muller; takes two words. The last bit depends on the libm.
  MT_HOST_DEVICE double normal() {
    const double radius = std::sqrt(-2.0 * std::log((bits() + 1.0) * 0x1p-32));  // log of (0, 1]
    return radius * std::cos(6.283185307179586 * uniform());
  }

 private:
  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_{};
  int used_ = 4;  ///< words of block_ already given out
};

/// `count` distinct numbers of 0..n-1 in random order, every ordered choice equally likely;
/// count <= n. Takes `count` calls of below() and no memory beyond the result.
MT_HOST_DEVICE inline void draw_distinct(RandomStream& random, std::uint32_t n, std::uint32_t count,
                                         std::uint32_t* result) {
  for (std::uint32_t i = 0; i < count; ++i) {
    // The rank-th number not drawn yet is the least x with x = rank + #{drawn <= x}.
    const std::uint32_t rank = random.below(n - i);
    std::uint32_t x = rank, previous = 0;
    do {
      previous = x;
      x = rank;
      for (std::uint32_t j = 0; j < i; ++j) x += result[j] <= previous;
    } while (x != previous);
    result[i] = x;
  }
}

}  // namespace metatape::kernels
