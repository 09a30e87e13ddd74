#include <algorithm>

#include "kernels/common/blas.h"
#include "kernels/matmul/join_batch.h"

namespace metatape::kernels {
namespace {

/// Row blocks that the whole batch is cut into, if its matrices are tall enough. The library packs
/// b again for each block, which below 128 rows costs more than 5 % of the product.
constexpr std::int64_t kRowBlocks = 64;
constexpr std::int64_t kMinRows = 128;

}  // namespace

template <class T>
void matmul(const MatmulArgs<T>& separate, const CpuContext& context) {
  const MatmulArgs<T> args = join_batch(separate);
  const std::int64_t batch = args.batch, m = args.m, n = args.n, k = args.k;
  if (batch * m * n == 0) return;
  if (k == 0) {
    std::fill_n(args.c, batch * m * n, T(0));
    return;
  }
  const std::int64_t block_rows = std::max(kMinRows, (batch * m + kRowBlocks - 1) / kRowBlocks);
  const std::int64_t blocks = (m + block_rows - 1) / block_rows;
  const bool in_parallel = batch * blocks > 1 && batch * m * n * k > kParallelMultiplyAdds;

#pragma omp parallel for schedule(dynamic) num_threads(context.threads) if (in_parallel)
  for (std::int64_t piece = 0; piece < batch * blocks; ++piece) {
    const std::int64_t i = piece / blocks;
    const std::int64_t row = piece % blocks * block_rows;
    gemm<T>({.transpose_a = args.transpose_a,
             .transpose_b = args.transpose_b,
             .m = std::min(block_rows, m - row),
             .n = n,
             .k = k,
             .a = args.a + i * args.a_stride + (args.transpose_a ? row : row * k),
             .lda = args.transpose_a ? m : k,
             .b = args.b + i * args.b_stride,
             .ldb = args.transpose_b ? k : n,
             .c = args.c + (i * m + row) * n,
             .ldc = n});
  }
}

template void matmul(const MatmulArgs<float>&, const CpuContext&);
template void matmul(const MatmulArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
