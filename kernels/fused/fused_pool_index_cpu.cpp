#include <omp.h>

#include "kernels/common/parallel.h"
#include "kernels/fused/block_evaluator.h"
#include "kernels/pool/row_argmax.h"

namespace metatape::kernels {

namespace {

/// Elements of each row of some windows that are evaluated together: with two rows 8 KB of float,
/// which the maxima then find in the L1 cache.
constexpr std::int64_t kRowElements = 4 * kBlockElements;

/// The windows [q, q + windows) of a row, as a pooling of their own pixels.
struct Windows {
  Windows(const PoolGeometry& g, std::int64_t q) : pool(g) {
    const std::int64_t fitting = (kRowElements / g.channels - g.window) / g.stride + 1;
    count = std::min(std::max<std::int64_t>(1, fitting), g.out_width() - q);
    pool.width = (count - 1) * g.stride + g.window;
  }
  std::int64_t row() const { return pool.width * pool.channels; }

  PoolGeometry pool;
  std::int64_t count;
};

std::int64_t values_of_windows(const PoolGeometry& g) {
  return g.out_width() == 0 ? 0 : g.window * Windows(g, 0).row();
}

}  // namespace

template <class T>
void fused_pool_index(const FusedPoolIndexArgs<T>& args, const CpuContext& context) {
  const PoolGeometry& g = args.pool;
  const std::int64_t row = g.width * g.channels;
  const BlockOperands<T> operands = operands_along(args.terms, kAllLoops, 0);
  const std::int64_t block = whole_rows(std::min(g.channels, kBlockElements));
  const std::int64_t rows = g.planes * g.out_height();
  parallel_for(rows, rows * g.window * row, context, [&](std::int64_t out_row) {
    const std::int64_t plane = out_row / g.out_height(), p = out_row % g.out_height();
    const std::int64_t first = (plane * g.height + p * g.stride) * row;
    T* const values = args.workspace + omp_get_thread_num() * values_of_windows(g);
    BlockEvaluator<T> evaluator(args.terms.expression, operands, std::min(g.channels, block));
    for (std::int64_t q = 0; q < g.out_width();) {
      const Windows windows(g, q);
      for (std::int64_t r = 0; r < g.window; ++r)
        for (std::int64_t at = 0; at < windows.row(); at += block)
          evaluator.evaluate({}, first + r * row + q * g.stride * g.channels + at,
                             std::min(block, windows.row() - at), values + r * windows.row() + at);
      row_argmax(windows.pool, values, args.index + (out_row * g.out_width() + q) * g.channels);
      q += windows.count;
    }
  });
}

std::int64_t fused_pool_index_workspace_elements(const PoolGeometry& g, const CpuContext& context) {
  return context.threads * values_of_windows(g);
}

template void fused_pool_index(const FusedPoolIndexArgs<float>&, const CpuContext&);
template void fused_pool_index(const FusedPoolIndexArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
