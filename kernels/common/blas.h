#pragma once

#include <cstdint>

namespace metatape::kernels {

/// One row-major matrix product, as cblas_?gemm sees it:
///   c = alpha op(a) op(b) + beta c;   op(a) is [m,k], op(b) is [k,n], c is [m,n].
/// lda, ldb, ldc: elements from one stored row to the next. With beta == 0 c is not read.
/// Extents must fit a 32-bit int, and m, n, k must be positive.
template <class T>
struct Gemm {
  bool transpose_a = false, transpose_b = false;
  std::int64_t m, n, k;
  const T* a;
  std::int64_t lda;
  const T* b;
  std::int64_t ldb;
  T alpha = 1, beta = 0;
  T* c;
  std::int64_t ldc;
};

/// Runs on the calling thread alone; may be called from several threads at once.
template <class T>
void gemm(const Gemm<T>&);

/// One row-major solve with a lower triangular matrix in place, as cblas_?trsm sees it:
///   b = op(l)^-1 b with l [m,m], or b = b op(l)^-1 with `right` and l [n,n];   b is [m,n].
/// Only l's lower triangle is read. ldl, ldb: elements from one stored row to the next.
/// Extents must fit a 32-bit int, and be positive.
template <class T>
struct SolveLower {
  bool right = false, transpose = false;
  std::int64_t m, n;
  const T* l;
  std::int64_t ldl;
  T* b;
  std::int64_t ldb;
};

/// Runs on the calling thread alone; may be called from several threads at once.
template <class T>
void solve_lower(const SolveLower<T>&);

/// Multiply-adds that take one core about as long as starting a parallel region (5 us). Kernels
/// made of fewer stay on one thread.
inline constexpr std::int64_t kParallelMultiplyAdds = 1 << 18;

/// Makes BLAS (and LAPACK) single-threaded for the whole process, once. gemm() calls it; whoever
/// calls the library in another way must do so first. The parallelism of a kernel is its own, so
/// that one fixed cut of the work gives the same bits for any number of threads.
void use_one_blas_thread();

}  // namespace metatape::kernels
