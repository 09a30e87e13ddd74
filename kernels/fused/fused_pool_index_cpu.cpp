#include <omp.h>

#include "kernels/common/parallel.h"
#include "kernels/fused/block_evaluator.h"
#include "kernels/pool/row_argmax.h"

namespace metatape::kernels {

namespace {

/// Values of the rows that one row of windows lies in, for each thread.
std::int64_t window_row_elements(const PoolGeometry& g) { return g.window * g.width * g.channels; }

}  // namespace

template <class T>
void fused_pool_index(const FusedPoolIndexArgs<T>& args, const CpuContext& context) {
  const PoolGeometry& g = args.pool;
  const std::int64_t row = g.width * g.channels, count = g.window * row;
  const BlockOperands<T> operands = operands_along(args.terms, kAllLoops, 0);
  const std::int64_t block = whole_rows(std::min(g.channels, kBlockElements));
  const std::int64_t rows = g.planes * g.out_height();
  parallel_for(rows, rows * count, context, [&](std::int64_t out_row) {
    const std::int64_t plane = out_row / g.out_height(), p = out_row % g.out_height();
    const std::int64_t first = (plane * g.height + p * g.stride) * row;
    T* const values = args.workspace + omp_get_thread_num() * window_row_elements(g);
    BlockEvaluator<T> evaluator(args.terms.expression, operands, std::min(g.channels, block));
    for (std::int64_t at = 0; at < count; at += block)
      evaluator.evaluate({}, first + at, std::min(block, count - at), values + at);
    row_argmax(g, values, args.index + out_row * g.out_width() * g.channels);
  });
}

std::int64_t fused_pool_index_workspace_elements(const PoolGeometry& g, const CpuContext& context) {
  return context.threads * window_row_elements(g);
}

template void fused_pool_index(const FusedPoolIndexArgs<float>&, const CpuContext&);
template void fused_pool_index(const FusedPoolIndexArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
