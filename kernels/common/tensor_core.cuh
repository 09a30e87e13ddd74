#pragma once

// The only PTX of the project: products on tensor cores, and copies that run beside the arithmetic.
// sm_80 and later. The emulation has twins of all of it (kernels/emulation/tensor_core.h).

#include "kernels/common/device.cuh"
#if defined(MT_EMULATION)
#include "kernels/emulation/tensor_core.h"
#endif

namespace metatape::kernels {

/// One lane's part of A [16, 8], B [8, 8] and D [16, 8]. With row = lane / 4, column = lane % 4:
///   A  x[i] at (row + 8 (i % 2), column + 4 (i / 2))       B  x[i] at (column + 4 i, row)
///   D  x[i] at (row + 8 (i / 2), 2 column + i % 2)
/// PTX ISA, "Matrix Fragments for mma.m16n8k8".
struct FragmentA {
  float x[4];
};
struct FragmentB {
  float x[2];
};
struct FragmentD {
  float x[4] = {};
};

/// D += A B by one warp, all lanes together. Reads 11 bits of each factor's significand and ignores
/// the others; sums in f32 and rounds towards zero.
__device__ __forceinline__ void multiply_add_tf32(const FragmentA& a, const FragmentB& b,
                                                  FragmentD& d) {
#if defined(MT_EMULATION)
  emulation::MatrixFragments lane{
      {a.x[0], a.x[1], a.x[2], a.x[3]}, {b.x[0], b.x[1]}, {d.x[0], d.x[1], d.x[2], d.x[3]}};
  emulation::multiply_matrices(lane);
  for (int i = 0; i < 4; ++i) d.x[i] = lane.d[i];
#else
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d.x[0]), "+f"(d.x[1]), "+f"(d.x[2]), "+f"(d.x[3])
      : "r"(__float_as_uint(a.x[0])), "r"(__float_as_uint(a.x[1])), "r"(__float_as_uint(a.x[2])),
        "r"(__float_as_uint(a.x[3])), "r"(__float_as_uint(b.x[0])), "r"(__float_as_uint(b.x[1])));
#endif
}

/// x to the 11 bits of a TF32 significand, to nearest. Ties go where one instruction takes them: to
/// even from sm_90 on and in the emulation, away from zero before.
__device__ __forceinline__ float round_to_tf32(float x) {
#if defined(MT_EMULATION)
  return emulation::round_to_tf32(x);
#else
  unsigned rounded;
#if __CUDA_ARCH__ >= 900
  asm("cvt.rn.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
#else
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
#endif
  return __uint_as_float(rounded);
#endif
}

/// The copies of one thread from global to shared memory. They may happen at any time between the
/// call and the wait; other threads see them after a barrier behind the wait.
class AsyncCopies {
 public:
  /// kCount floats, 1 or 4 of them, aligned to their size. Where nothing exists, zeros; `from` is
  /// not read.
  template <int kCount>
  __device__ __forceinline__ void copy(float* to, const float* from, bool exists) {
    static_assert(kCount == 1 || kCount == 4);
#if defined(MT_EMULATION)
    pending_.add(to, exists ? from : nullptr, int(kCount * sizeof(float)));
#else
    const auto shared = unsigned(__cvta_generic_to_shared(to));
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared), "l"(from),
                 "n"(kCount * sizeof(float)), "r"(exists ? int(kCount * sizeof(float)) : 0)
                 : "memory");
#endif
  }

  /// Ends a group of copies, which may be empty.
  __device__ __forceinline__ void close_group() {
#if defined(MT_EMULATION)
    pending_.close_group();
#else
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
  }

  /// Waits for all groups but the last kLeft.
  template <int kLeft>
  __device__ __forceinline__ void wait() {
#if defined(MT_EMULATION)
    pending_.wait(kLeft);
#else
    asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#endif
  }

#if defined(MT_EMULATION)
 private:
  emulation::PendingCopies pending_;
#endif
};

}  // namespace metatape::kernels
