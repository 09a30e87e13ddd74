#include <omp.h>

#include "kernels/common/fetch_ahead.h"
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

/// Of the operands that are images, so many elements.
template <class T>
void fetch_images(const BlockOperands<T>& operands, int count, std::int64_t from,
                  std::int64_t elements) {
  for (int k = 0; k < count; ++k)
    if (operands[k].contiguous()) fetch_ahead(operands[k].base + from, elements);
}

}  // namespace

template <class T>
void fused_pool_index(const FusedPoolIndexArgs<T>& args, const CpuContext& context) {
  const PoolGeometry& g = args.pool;
  const std::int64_t row = g.width * g.channels, step = g.stride * g.channels;
  const BlockOperands<T> operands = operands_along(args.terms, kAllLoops, 0);
  const std::int64_t block = whole_rows(std::min(g.channels, kBlockElements));
  const std::int64_t rows = g.planes * g.out_height(), elements = g.planes * g.height * row;
  const auto row_begin = [&](std::int64_t out_row) {
    return (out_row / g.out_height() * g.height + out_row % g.out_height() * g.stride) * row;
  };
  parallel_for(rows, rows * g.window * row, context, [&](std::int64_t out_row) {
    T* const values = args.workspace + omp_get_thread_num() * values_of_windows(g);
    BlockEvaluator<T> evaluator(args.terms.expression, operands, std::min(g.channels, block));
    for (std::int64_t q = 0; q < g.out_width();) {
      const Windows windows(g, q);
      const std::int64_t here = row_begin(out_row) + q * step, behind = q + windows.count;
      const std::int64_t next =
          behind < g.out_width() ? here + windows.count * step : row_begin(out_row + 1);
      for (std::int64_t r = 0; r < g.window; ++r)
        for (std::int64_t at = 0; at < windows.row(); at += block) {
          const std::int64_t offset = r * row + at, length = std::min(block, windows.row() - at);
          fetch_images(operands, args.terms.expression.operands, next + offset,
                       std::min(length, elements - next - offset));
          evaluator.evaluate({}, here + offset, length, values + r * windows.row() + at);
        }
      row_argmax(windows.pool, values, args.index + (out_row * g.out_width() + q) * g.channels);
      q = behind;
    }
  });
}

std::int64_t fused_pool_index_workspace_elements(const PoolGeometry& g, const CpuContext& context) {
  return context.threads * values_of_windows(g);
}

template void fused_pool_index(const FusedPoolIndexArgs<float>&, const CpuContext&);
template void fused_pool_index(const FusedPoolIndexArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
