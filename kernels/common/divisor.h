#pragma once

#include <cstdint>

#include "kernels/common/host_device.h"

namespace metatape::kernels {

inline constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t d) { return (n + d - 1) / d; }

/// Division of 0 <= n by a d >= 1 that is known before the launch. In 64 bits the plain one, about
/// 100 instructions on a GPU.
template <class Index>
class Divisor {
 public:
  Divisor() = default;
  explicit Divisor(std::int64_t d) : divisor_(d) {}
  MT_HOST_DEVICE Index divisor() const { return divisor_; }
  MT_HOST_DEVICE Index divide(Index n) const { return n / divisor_; }

 private:
  Index divisor_ = 1;
};

/// For n < 2^31 a product and a shift: n / d = (n + floor(n m / 2^32)) >> s with the smallest
/// 2^s >= d and m = floor(2^32 (2^s - d) / d) + 1 (Granlund and Montgomery 1994).
template <>
class Divisor<std::int32_t> {
 public:
  Divisor() = default;
  /// 0 counts as 1: the extent of a loop that never runs.
  explicit Divisor(std::int64_t d) : divisor_(static_cast<std::int32_t>(d)) {
    if (d == 0) divisor_ = 1, d = 1;
    while (std::int64_t{1} << shift_ < d) ++shift_;
    const std::uint64_t excess = (std::uint64_t{1} << shift_) - std::uint64_t(d);
    factor_ = static_cast<std::uint32_t>((excess << 32) / std::uint64_t(d) + 1);
  }
  MT_HOST_DEVICE std::int32_t divisor() const { return divisor_; }
  MT_HOST_DEVICE std::int32_t divide(std::int32_t n) const {
    const auto high = static_cast<std::uint32_t>(std::uint64_t{std::uint32_t(n)} * factor_ >> 32);
    return static_cast<std::int32_t>((high + std::uint32_t(n)) >> shift_);
  }
  struct Split {
    std::int32_t quotient, remainder;
  };
  MT_HOST_DEVICE Split split(std::int32_t n) const {
    const std::int32_t quotient = divide(n);
    return {quotient, n - quotient * divisor_};
  }

 private:
  std::int32_t divisor_ = 1;
  std::uint32_t factor_ = 1;
  int shift_ = 0;
};

}  // namespace metatape::kernels
