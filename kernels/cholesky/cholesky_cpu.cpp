#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cholesky/jitter.h"
#include "kernels/common/blas.h"
#include "kernels/common/parallel.h"

namespace metatape::kernels {
namespace {

// Not LAPACK's potrf: OpenBLAS 0.3.21 factors a matrix with NaN and reports success, and on failure
// it does not tell the pivot. These loops take as long, within 10 %, from n = 5 to 400.
// All but the diagonal blocks runs in the library's products and triangular solves.

/// Columns that are factored by plain loops before the library takes the rest of the rows: a block
/// of doubles (32 KiB) just fits the first-level cache.
constexpr std::int64_t kBlock = 64;

/// Factors the lower triangle of a block in place; `l` is its corner, `a` that of the block as it
/// was given, `n` elements lie from row to row. Right-looking: each finished column is subtracted
/// from the columns behind it.
template <class T>
CholeskyStop factor_block(const T* a, std::int64_t n, std::int64_t width, T* l) {
  T column[kBlock];
  for (std::int64_t j = 0; j < width; ++j) {
    const T pivot = l[j * n + j];
    if (!is_positive_pivot(pivot, a[j * n + j])) return {std::int32_t(j) + 1, double(pivot)};
    const T root = std::sqrt(pivot);
    l[j * n + j] = root;
    for (std::int64_t i = j + 1; i < width; ++i) {
      T* row = l + i * n;
      column[i] = row[j] /= root;
      for (std::int64_t k = j + 1; k <= i; ++k) row[k] -= column[i] * column[k];
    }
    std::fill(l + j * n + j + 1, l + j * n + width, T(0));
  }
  return {};
}

/// Factors the lower triangle of a matrix in place, a block of columns after the other; `a` as
/// above.
///   l_dd l_dd' = a_dd - l_d0 l_d0',   l_rd = (a_rd - l_r0 l_d0') l_dd'^-1
/// with 0 the columns before the block, d its rows, r the rows below it.
template <class T>
CholeskyStop factor(const T* a, std::int64_t n, T* l) {
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t width = std::min(kBlock, n - begin), below = n - begin - width;
    T* const left = l + begin * n;
    T* const corner = left + begin;
    if (begin > 0)
      gemm<T>({.transpose_b = true,
               .m = n - begin,
               .n = width,
               .k = begin,
               .a = left,
               .lda = n,
               .b = left,
               .ldb = n,
               .alpha = -1,
               .beta = 1,
               .c = corner,
               .ldc = n});
    const CholeskyStop stop = factor_block(a + begin * n + begin, n, width, corner);
    if (stop.column) return {std::int32_t(begin) + stop.column, stop.pivot};
    if (below > 0)
      solve_lower<T>({.right = true,
                      .transpose = true,
                      .m = below,
                      .n = width,
                      .l = corner,
                      .ldl = n,
                      .b = corner + width * n,
                      .ldb = n});
  }
  return {};
}

/// Symmetrised lower triangle of a, with `jitter` added to the diagonal and zeros above it.
template <class T>
void load(const T* a, std::int64_t n, T jitter, T* l) {
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < i; ++j) l[i * n + j] = T(0.5) * (a[i * n + j] + a[j * n + i]);
    l[i * n + i] = a[i * n + i] + jitter;
    std::fill(l + i * n + i + 1, l + (i + 1) * n, T(0));
  }
}

template <class T>
bool all_finite(const T* a, std::int64_t count) {
  return std::all_of(a, a + count, [](T x) { return std::isfinite(x); });
}

template <class T>
MatrixStatus factor_matrix(const T* a, std::int64_t n, int tries, T* l) {
  const auto factor_once = [&](T jitter) {
    load(a, n, jitter, l);
    return factor(a, n, l);
  };
  const auto is_finite = [&] { return all_finite(a, n * n); };
  const MatrixStatus status = factor_with_jitter(a, n, tries, factor_once, is_finite);
  if (status.failed_column) std::fill_n(l, n * n, std::numeric_limits<T>::quiet_NaN());
  return status;
}

}  // namespace

template <class T>
void cholesky(const CholeskyArgs<T>& args, const CpuContext& context) {
  const std::int64_t matrix = args.n * args.n;
  parallel_for(args.batch, args.batch * matrix, context, [&](std::int64_t i) {
    args.status[i] =
        factor_matrix(args.a + i * matrix, args.n, args.jitter_tries, args.l + i * matrix);
  });
}

template void cholesky(const CholeskyArgs<float>&, const CpuContext&);
template void cholesky(const CholeskyArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
