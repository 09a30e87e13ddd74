#include "kernels/common/blas.h"

#include <cblas.h>

#include <type_traits>

namespace metatape::kernels {

void use_one_blas_thread() {
  [[maybe_unused]] static const bool done = (openblas_set_num_threads(1), true);
}

template <class T>
void gemm(const Gemm<T>& g) {
  use_one_blas_thread();
  const auto transpose_a = g.transpose_a ? CblasTrans : CblasNoTrans;
  const auto transpose_b = g.transpose_b ? CblasTrans : CblasNoTrans;
  const auto library_gemm = [] {
    if constexpr (std::is_same_v<T, float>) {
      return cblas_sgemm;
    } else {
      return cblas_dgemm;
    }
  }();
  library_gemm(CblasRowMajor, transpose_a, transpose_b, blasint(g.m), blasint(g.n), blasint(g.k),
               g.alpha, g.a, blasint(g.lda), g.b, blasint(g.ldb), g.beta, g.c, blasint(g.ldc));
}

template <class T>
void solve_lower(const SolveLower<T>& s) {
  use_one_blas_thread();
  const auto library_trsm = [] {
    if constexpr (std::is_same_v<T, float>) {
      return cblas_strsm;
    } else {
      return cblas_dtrsm;
    }
  }();
  library_trsm(CblasRowMajor, s.right ? CblasRight : CblasLeft, CblasLower,
               s.transpose ? CblasTrans : CblasNoTrans, CblasNonUnit, blasint(s.m), blasint(s.n),
               T(1), s.l, blasint(s.ldl), s.b, blasint(s.ldb));
}

template void gemm(const Gemm<float>&);
template void gemm(const Gemm<double>&);
template void solve_lower(const SolveLower<float>&);
template void solve_lower(const SolveLower<double>&);

}  // namespace metatape::kernels
