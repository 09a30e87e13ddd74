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
               T(1), g.a, blasint(g.lda), g.b, blasint(g.ldb), g.beta, g.c, blasint(g.ldc));
}

template void gemm(const Gemm<float>&);
template void gemm(const Gemm<double>&);

}  // namespace metatape::kernels
