#include "kernels/copy/copy.h"

#include <algorithm>

#include "kernels/common/parallel.h"
#include "kernels/common/strided_loops.h"
#include "kernels/copy/write_order.h"

namespace metatape::kernels {

namespace {

constexpr int kX = 0, kY = 1;  ///< operands of the strided loops

template <class T>
void copy_rows(const CopyArgs<T>& args, const StridedLoops<2>& loops, const CpuContext& context) {
  const Offsets<2> strides = loops.inner().strides;
  with_steps(strides[kX], strides[kY], [&](auto x_at, auto y_at) {
    parallel_pieces(loops.count(), context, [&](std::int64_t begin, std::int64_t end) {
      for_each_run(loops, begin, end,
                   [&](std::int64_t, std::int64_t length, const Offsets<2>& offsets) {
                     const T* __restrict x = args.x + offsets[kX];
                     T* __restrict y = args.y + offsets[kY];
                     for (std::int64_t i = 0; i < length; ++i) y[y_at(i)] = x[x_at(i)];
                   });
    });
  });
}

/// Elements along each side of a tile: 16 floats are one cache line, and the 16 lines of x that a
/// tile reads are still in the L1 cache when the next row of y asks for them.
constexpr std::int64_t kTile = 16;

/// Transposes loop `row` (x contiguous) against the innermost loop (y contiguous) in square tiles.
template <class T>
void copy_tiles(const CopyArgs<T>& args, const StridedLoops<2>& loops, int row,
                const CpuContext& context) {
  const StridedLoop<2> rows = loops[row], columns = loops.inner();
  StridedLoops<2> matrices;
  for (int d = 0; d + 1 < loops.rank(); ++d) {
    if (d != row) matrices.append(loops[d]);
  }
  const std::int64_t strips = (rows.extent + kTile - 1) / kTile;
  parallel_for(matrices.count() * strips, loops.count(), context, [&](std::int64_t item) {
    const std::int64_t matrix = item / strips, i_begin = item % strips * kTile;
    const std::int64_t i_end = std::min(rows.extent, i_begin + kTile);
    for_each_run(
        matrices, matrix, matrix + 1, [&](std::int64_t, std::int64_t, const Offsets<2>& offsets) {
          const T* __restrict x = args.x + offsets[kX];
          T* __restrict y = args.y + offsets[kY];
          for (std::int64_t j_begin = 0; j_begin < columns.extent; j_begin += kTile) {
            const std::int64_t j_end = std::min(columns.extent, j_begin + kTile);
            for (std::int64_t i = i_begin; i < i_end; ++i) {
              for (std::int64_t j = j_begin; j < j_end; ++j) {
                y[i * rows.strides[kY] + j * columns.strides[kY]] = x[i + j * columns.strides[kX]];
              }
            }
          }
        });
  });
}

}  // namespace

template <class T>
void copy(const CopyArgs<T>& args, const CpuContext& context) {
  if (args.loops.count() == 0) return;
  const StridedLoops<2> loops = write_order(args.loops, args.x_strides, args.y_strides);
  const int row = transposed_loop(loops);
  row < 0 ? copy_rows(args, loops, context) : copy_tiles(args, loops, row, context);
}

template void copy(const CopyArgs<float>&, const CpuContext&);
template void copy(const CopyArgs<double>&, const CpuContext&);
template void copy(const CopyArgs<std::int32_t>&, const CpuContext&);
template void copy(const CopyArgs<std::uint8_t>&, const CpuContext&);

}  // namespace metatape::kernels
