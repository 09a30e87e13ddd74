#pragma once

// What kernels/common/tensor_core.cuh does in PTX, for g++.

#include <array>

#include "kernels/emulation/kernel_calls.h"

namespace metatape::kernels::emulation {

/// One lane's part of D = A B + C, A [16, 8], B [8, 8], in the layout of mma.sync.m16n8k8.
struct MatrixFragments {
  float a[4], b[2], d[4];  ///< d holds C before and D after
};

/// The product of the fragments of a warp. Factors lose the bits that TF32 does not have. The sum
/// of eight products and C is exact but for a last rounding towards zero, which is how tensor cores
/// round; how many more bits each of them loses on the way is not documented.
/// Fasi et al. 2021, Numerical behavior of NVIDIA tensor cores.
void multiply_fragments(MatrixFragments* const (&lanes)[32]);

/// The warp operation, called by all 32 lanes.
inline void multiply_matrices(MatrixFragments& lane, Site site = Site::current()) {
  const auto address = reinterpret_cast<std::uintptr_t>(&lane);
  warp_operation(WarpOperation::multiply_matrices, 0xffffffff, {address, 0, 32}, site);
}

/// Rounds to the 11 bits of TF32, to nearest, ties to even. NaN and infinity stay.
float round_to_tf32(float);

/// Whether copies wait until the kernel waits for them (settings().late), or are made at once. Both
/// are legal: the one shows a missing wait, the other a copy into what others still read.
bool copies_are_late();

/// One thread's asynchronous copies from global to shared memory.
class PendingCopies {
 public:
  void add(void* to, const void* from, int bytes) {
    if (!is_late_) {
      copy({to, from, bytes});
    } else if (count_ < kMost) {
      pending_[count_++] = {to, from, bytes};
    } else {
      too_many();
    }
  }

  void close_group() {
    if (groups_ == kMostGroups) too_many();
    group_end_[groups_++] = count_;
  }

  /// Makes the copies of all groups but the last `left`.
  void wait(int left) {
    if (groups_ <= left) return;
    const int done = groups_ - left, copies = group_end_[done - 1];
    for (int i = 0; i < copies; ++i) copy(pending_[i]);
    for (int i = copies; i < count_; ++i) pending_[i - copies] = pending_[i];
    for (int g = done; g < groups_; ++g) group_end_[g - done] = group_end_[g] - copies;
    count_ -= copies;
    groups_ -= done;
  }

 private:
  struct Copy {
    void* to;
    const void* from;  ///< null: zeros
    int bytes;
  };
  static constexpr int kMost = 512, kMostGroups = 8;

  static void copy(const Copy& c) {
    if (c.bytes == 16) {
      copy_as<float4>(c);
    } else {
      copy_as<float>(c);
    }
  }
  template <class T>  // by its type, so that a sanitizer sees what is not aligned
  static void copy_as(const Copy& c) {
    *static_cast<T*>(c.to) = c.from ? *static_cast<const T*>(c.from) : T{};
  }
  [[noreturn]] static void too_many();

  bool is_late_ = copies_are_late();
  int count_ = 0, groups_ = 0;
  std::array<Copy, kMost> pending_;
  std::array<int, kMostGroups> group_end_;
};

}  // namespace metatape::kernels::emulation
