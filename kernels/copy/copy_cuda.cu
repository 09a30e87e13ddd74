#include <algorithm>
#include <type_traits>

#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/common/strided_index.h"
#include "kernels/common/vector.cuh"
#include "kernels/copy/copy.h"
#include "kernels/copy/write_order.h"

// Moves units, not elements: 16 bytes where both operands have neighbours along the innermost loop
// and everything is a multiple of that, else 4, else the element. A matrix whose x is contiguous
// along another loop than y goes through shared memory in tiles.

namespace metatape::kernels {

namespace {

/// What an element is moved as: one kernel for all types of a size.
template <class T>
using UnitOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint8_t>;

constexpr int kX = 0, kY = 1;  ///< operands of the strided loops
constexpr int kThreads = 256;
constexpr int kUnits = 4;  ///< of one thread, all loaded before the first is stored

template <class Unit, class Index>
__global__ void __launch_bounds__(kThreads)
    copy_kernel(StridedIndex<2, Index> at, Index count, const Unit* x, Unit* y) {
  const Index first = Index(blockIdx.x) * (kUnits * kThreads) + Index(threadIdx.x);
  Unit units[kUnits];
  Index to[kUnits];
  MT_UNROLL
  for (int u = 0; u < kUnits; ++u) {
    const Index i = first + u * kThreads;
    if (i >= count) continue;
    const auto offsets = at(i);
    units[u] = x[offsets.of[kX]];
    to[u] = offsets.of[kY];
  }
  MT_UNROLL
  for (int u = 0; u < kUnits; ++u) {
    if (first + u * kThreads < count) y[to[u]] = units[u];
  }
}

template <class Unit>
void copy_units(const StridedLoops<2>& loops, const void* x, void* y, const CudaContext& context) {
  const std::int64_t count = loops.count();
  with_index(is_narrow(loops), [&](auto index) {
    using Index = decltype(index);
    MT_LAUNCH((copy_kernel<Unit, Index>), unsigned(ceil_div(count, kThreads * kUnits)), kThreads, 0,
              context.stream)
    (StridedIndex<2, Index>(loops), Index(count), static_cast<const Unit*>(x),
     static_cast<Unit*>(y));
  });
}

/// The same copy with `width` neighbours of the innermost loop as one element.
StridedLoops<2> in_units(const StridedLoops<2>& loops, int width) {
  StridedLoops<2> result;
  for (int d = 0; d < loops.rank(); ++d) {
    StridedLoop<2> loop = loops[d];
    if (d + 1 == loops.rank()) {
      loop.extent /= width;
    } else {
      for (std::int64_t& stride : loop.strides) stride /= width;
    }
    result.append(loop);
  }
  return result;
}

template <class T>
bool fits_units(const CopyArgs<T>& args, const StridedLoops<2>& loops, int width) {
  const Offsets<2> steps = loops.inner().strides;
  return steps[kX] == 1 && steps[kY] == 1 && loops.inner().extent % width == 0 &&
         vectors_fit<2, T>(loops, {}, {args.x, args.y}, width);
}

constexpr int kTile = 32;
constexpr int kTileRows = kThreads / kTile;  ///< rows of a tile that the block moves at a time
constexpr std::int64_t kSmallestSide = 16;   ///< of a matrix that is worth tiles

/// Matrices: x [columns, rows] with its rows contiguous, y [rows, columns] with its columns.
template <class Index>
struct Transposition {
  StridedIndex<2, Index> matrices;  ///< their offsets in x and y
  Index rows, columns;
  Index x_stride;  ///< between columns
  Index y_stride;  ///< between rows
  Index row_tiles, column_tiles;
};

template <class Unit, class Index>
__global__ void __launch_bounds__(kThreads)
    transpose_kernel(Transposition<Index> by, const Unit* x, Unit* y) {
  MT_SHARED(Unit,
            tile, [kTile][kTile + 1]);  // [columns, rows]; + 1 spreads a column over the banks
  const Index block = Index(blockIdx.x);
  const Index first_column = block % by.column_tiles * kTile;
  const Index first_row = block / by.column_tiles % by.row_tiles * kTile;
  const auto offsets = by.matrices(block / by.column_tiles / by.row_tiles);
  x += offsets.of[kX];
  y += offsets.of[kY];
  const int lane = threadIdx.x % kTile, start = threadIdx.x / kTile;
  MT_UNROLL
  for (int c = 0; c < kTile; c += kTileRows) {
    const Index row = first_row + lane, column = first_column + start + c;
    if (row < by.rows && column < by.columns) tile[start + c][lane] = x[column * by.x_stride + row];
  }
  __syncthreads();
  MT_UNROLL
  for (int r = 0; r < kTile; r += kTileRows) {
    const Index row = first_row + start + r, column = first_column + lane;
    if (row < by.rows && column < by.columns) y[row * by.y_stride + column] = tile[lane][start + r];
  }
}

/// Loop `row` has x contiguous, the innermost loop y.
template <class Unit>
void transpose(const StridedLoops<2>& loops, int row, const void* x, void* y,
               const CudaContext& context) {
  const StridedLoop<2> rows = loops[row], columns = loops.inner();
  StridedLoops<2> matrices;
  for (int d = 0; d + 1 < loops.rank(); ++d) {
    if (d != row) matrices.append(loops[d]);
  }
  const std::int64_t row_tiles = ceil_div(rows.extent, kTile);
  const std::int64_t column_tiles = ceil_div(columns.extent, kTile);
  with_index(is_narrow(loops), [&](auto index) {
    using Index = decltype(index);
    const Transposition<Index> by{StridedIndex<2, Index>(matrices),
                                  Index(rows.extent),
                                  Index(columns.extent),
                                  Index(columns.strides[kX]),
                                  Index(rows.strides[kY]),
                                  Index(row_tiles),
                                  Index(column_tiles)};
    MT_LAUNCH((transpose_kernel<Unit, Index>),
              unsigned(matrices.count() * row_tiles * column_tiles), kThreads, 0, context.stream)
    (by, static_cast<const Unit*>(x), static_cast<Unit*>(y));
  });
}

}  // namespace

template <class T>
void copy(const CopyArgs<T>& args, const CudaContext& context) {
  if (args.loops.count() == 0) return;
  const StridedLoops<2> loops = write_order(args.loops, args.x_strides, args.y_strides);
  const int row = transposed_loop(loops);
  if (row >= 0 && loops.inner().strides[kY] == 1 &&
      std::min(loops[row].extent, loops.inner().extent) >= kSmallestSide) {
    return transpose<UnitOf<T>>(loops, row, args.x, args.y, context);
  }
  constexpr int kLargeWidth = 16 / sizeof(T), kSmallWidth = 4 / sizeof(T);
  if (fits_units(args, loops, kLargeWidth)) {
    copy_units<uint4>(in_units(loops, kLargeWidth), args.x, args.y, context);
  } else if (fits_units(args, loops, kSmallWidth)) {
    copy_units<std::uint32_t>(in_units(loops, kSmallWidth), args.x, args.y, context);
  } else {
    copy_units<UnitOf<T>>(loops, args.x, args.y, context);
  }
}

template void copy(const CopyArgs<float>&, const CudaContext&);
template void copy(const CopyArgs<std::int32_t>&, const CudaContext&);
template void copy(const CopyArgs<std::uint8_t>&, const CudaContext&);

}  // namespace metatape::kernels
