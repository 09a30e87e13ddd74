#pragma once

// The kernel behind the three maps: a product of two operands that are gathered as they are needed
// ("implicit GEMM"), for many tasks at once. A map says what the operands are:
//
//   struct Map {
//     static constexpr Contiguous kContiguousA, kContiguousB;
//     __device__ product(int batch) const;   // -> Product
//   };
//
// A block of four warps computes one tile of the result. It walks along the reduction with kStages
// tiles of both operands in shared memory: one is multiplied while the others arrive.

#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/conv2d/conv2d_plan.h"
#include "kernels/conv2d/tile_copy.cuh"
#include "kernels/conv2d/warp_product.cuh"

namespace metatape::kernels {

/// result[row, column] = sum_depth a[row, depth] b[column, depth]
template <class A, class B, class Result>
struct Product {
  int rows, columns, depths;
  A a;
  B b;
  Result result;  ///< at(row): address of the first column
};

/// The tile of the result, depth and number of the tiles that feed it.
template <int kRows_, int kColumns_, int kDepth_, int kStages_>
struct Block {
  static constexpr int kRows = kRows_, kColumns = kColumns_, kDepth = kDepth_, kStages = kStages_;
};

template <class Map, class Shape>
struct BlockTiles {
  using A = OperandTile<Shape::kRows, Shape::kDepth, Map::kContiguousA>;
  using B = OperandTile<Shape::kColumns, Shape::kDepth, Map::kContiguousB>;
  static constexpr int kStageFloats = A::kFloats + B::kFloats;
  static constexpr int kBytes = Shape::kStages * kStageFloats * int(sizeof(float));
};

template <class Map, class Shape, Arithmetic kArithmetic, int kRun>
__global__ void __launch_bounds__(kBlockThreads)
    implicit_gemm_kernel(const Map map, int row_tiles, int column_tiles, bool in_pairs) {
  using TileA = typename BlockTiles<Map, Shape>::A;
  using TileB = typename BlockTiles<Map, Shape>::B;
  constexpr int kStageFloats = BlockTiles<Map, Shape>::kStageFloats;
  MT_DYNAMIC_SHARED(float, stages);  // [kStages, TileA then TileB]

  // Blocks that follow each other share the rows of A, the larger operand, in the L2 cache.
  const int first_column = int(blockIdx.x) % column_tiles * Shape::kColumns;
  const int line = int(blockIdx.x) / column_tiles;
  const int first_row = line % row_tiles * Shape::kRows;
  const auto product = map.product(line / row_tiles);
  if (first_row >= product.rows) return;  // the whole block: this batch has fewer rows than others

  const TileCopy<decltype(product.a), TileA, kRun> copy_a(product.a, first_row, product.rows);
  const TileCopy<decltype(product.b), TileB, kRun> copy_b(product.b, first_column, product.columns);
  const int steps = (product.depths + Shape::kDepth - 1) / Shape::kDepth;
  AsyncCopies copies;
  const auto fetch = [&](int step) {
    if (step < steps) {
      float* stage = stages + step % Shape::kStages * kStageFloats;
      copy_a.copy(step * Shape::kDepth, product.depths, stage, copies);
      copy_b.copy(step * Shape::kDepth, product.depths, stage + TileA::kFloats, copies);
    }
    copies.close_group();
  };
  MT_UNROLL
  for (int step = 0; step < Shape::kStages - 1; ++step) fetch(step);

  // [2, 2] warps
  const int warp = int(threadIdx.x) / 32;
  const int warp_row = warp / 2 * (Shape::kRows / 2);
  const int warp_column = warp % 2 * (Shape::kColumns / 2);
  WarpProduct<kArithmetic, TileA, TileB, Shape::kRows / 2, Shape::kColumns / 2> sums;
  for (int step = 0; step < steps; ++step) {
    copies.template wait<Shape::kStages - 2>();
    __syncthreads();  // this step's tiles are there, and nobody reads the last step's any more
    fetch(step + Shape::kStages - 1);
    const float* stage = stages + step % Shape::kStages * kStageFloats;
    sums.add(stage + TileA::offset(warp_row, 0),
             stage + TileA::kFloats + TileB::offset(warp_column, 0),
             min(Shape::kDepth, product.depths - step * Shape::kDepth));
  }

  const auto line_of = [&](int row) -> float* {
    row += first_row + warp_row;
    return row < product.rows ? product.result.at(row) : nullptr;
  };
  sums.visit(line_of, [&](float* line, int column, float left, float right) {
    column += first_column + warp_column;
    if (!line || column >= product.columns) return;
    if (in_pairs) {
      *reinterpret_cast<float2*>(line + column) = make_float2(left, right);
    } else {
      line[column] = left;
      if (column + 1 < product.columns) line[column + 1] = right;
    }
  });
}

/// The result of a launch. Rows are those of the largest batch.
struct GemmExtents {
  std::int64_t rows, columns, batches;
  bool in_pairs;  ///< even columns begin 8 aligned bytes
};

template <class Map, class Shape, Arithmetic kArithmetic, int kRun>
void enqueue_gemm(const Map& map, GemmExtents extents, cudaStream_t stream) {
  const std::int64_t row_tiles = (extents.rows + Shape::kRows - 1) / Shape::kRows;
  const std::int64_t column_tiles = (extents.columns + Shape::kColumns - 1) / Shape::kColumns;
  const std::int64_t blocks = row_tiles * column_tiles * extents.batches;
  if (blocks == 0) return;
  constexpr int kBytes = BlockTiles<Map, Shape>::kBytes;
  if constexpr (kBytes > 48 * 1024) {
    cudaFuncSetAttribute(implicit_gemm_kernel<Map, Shape, kArithmetic, kRun>,
                         cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  }
  MT_LAUNCH((implicit_gemm_kernel<Map, Shape, kArithmetic, kRun>), unsigned(blocks), kBlockThreads,
            kBytes, stream)
  (map, int(row_tiles), int(column_tiles), extents.in_pairs);
}

template <class Map, Arithmetic kArithmetic>
void enqueue_on_tensor_cores(const Map& map, GemmExtents extents, BlockShape shape,
                             bool in_runs_of_four, cudaStream_t stream) {
  using Large = Block<128, 64, 16, 4>;
  using Medium = Block<64, 64, 16, 4>;
  using Small = Block<32, 32, 32, 3>;
  if (in_runs_of_four) {
    if (shape == BlockShape::r128c64) {
      enqueue_gemm<Map, Large, kArithmetic, 4>(map, extents, stream);
    } else if (shape == BlockShape::r64c64) {
      enqueue_gemm<Map, Medium, kArithmetic, 4>(map, extents, stream);
    } else {
      enqueue_gemm<Map, Small, kArithmetic, 4>(map, extents, stream);
    }
  } else if (shape == BlockShape::r32c32) {
    enqueue_gemm<Map, Small, kArithmetic, 1>(map, extents, stream);
  } else {
    enqueue_gemm<Map, Medium, kArithmetic, 1>(map, extents, stream);
  }
}

/// One launch, or none if the result is empty. `in_runs_of_four`: every four elements of an operand
/// that lie on a multiple of four along its contiguous axis are 16 aligned bytes.
template <class Map>
void enqueue(const Map& map, GemmExtents extents, const Conv2dPlan& plan, bool in_runs_of_four,
             cudaStream_t stream) {
  switch (plan.arithmetic) {
    case Arithmetic::fma:
      return enqueue_gemm<Map, Block<64, 64, 16, 2>, Arithmetic::fma, 1>(map, extents, stream);
    case Arithmetic::tf32:
      return enqueue_on_tensor_cores<Map, Arithmetic::tf32>(map, extents, plan.shape,
                                                            in_runs_of_four, stream);
    case Arithmetic::compensated:
      return enqueue_on_tensor_cores<Map, Arithmetic::compensated>(map, extents, plan.shape,
                                                                   in_runs_of_four, stream);
  }
}

/// Whether runs of four elements are 16 aligned bytes in every task.
inline bool is_aligned(const float* data, std::int64_t task_stride) {
  return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && task_stride % 4 == 0;
}

/// Whether pairs of elements at even columns are 8 aligned bytes.
inline bool has_aligned_pairs(const float* result, std::int64_t columns) {
  return reinterpret_cast<std::uintptr_t>(result) % 8 == 0 && columns % 2 == 0;
}

/// Where rows of a result are: at(row) is the first element.
struct DenseRows {
  float* result;
  int columns;

  __device__ float* at(int row) const { return result + std::int64_t(row) * columns; }
};

}  // namespace metatape::kernels
