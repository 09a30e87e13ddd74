#pragma once

// From the operands in global memory to tiles in shared memory.

#include <cstdint>

#include "kernels/common/tensor_core.cuh"

namespace metatape::kernels {

inline constexpr int kBlockThreads = 128;  // four warps, two by two on the tile of the result

/// Along which axis the elements of an operand are next to each other, in memory and in its tile.
enum class Contiguous { depth, rows };

/// A tile of an operand, [kRows, kDepth] floats.
///
/// Padding keeps the loads of fragments, where a lane reads (lane / 4, lane % 4), off each other's
/// banks. Along the depth, 4 floats more than a multiple of 8: eight rows start 4 banks apart.
/// Along the rows, 8 more than a multiple of 32: four depths start 8 banks apart. Both keep 16
/// bytes aligned.
template <int kRows_, int kDepth_, Contiguous kContiguous_>
struct OperandTile {
  static constexpr int kRows = kRows_, kDepth = kDepth_;
  static constexpr Contiguous kContiguous = kContiguous_;
  static constexpr bool kAlongDepth = kContiguous == Contiguous::depth;
  static constexpr int kPitch = kAlongDepth ? kDepth + 4 : kRows + 8;
  static constexpr int kFloats = (kAlongDepth ? kRows : kDepth) * kPitch;

  static_assert(kRows % 32 == 0 && kDepth % 16 == 0);

  __device__ static int offset(int row, int depth) {
    return kAlongDepth ? row * kPitch + depth : depth * kPitch + row;
  }
};

/// What one thread copies of each tile: runs of kRun floats, one or four. Threads of a warp take
/// consecutive runs. Rows are decoded once, depths for each tile.
template <class Operand, class Tile, int kRun>
class TileCopy {
 public:
  /// The tile's rows begin at first_row of the operand, which has `rows` of them.
  __device__ TileCopy(const Operand& operand, int first_row, int rows) : operand_(operand) {
    MT_UNROLL
    for (int i = 0; i < kThreadRows; ++i) {
      const int row = first_row + tile_row(i);
      row_exists_[i] = row < rows;
      rows_[i] = operand.row(row_exists_[i] ? row : 0);
    }
  }

  /// Depths [first_depth, first_depth + Tile::kDepth) of the operand; zeros from `depths` on.
  __device__ void copy(int first_depth, int depths, float* tile, AsyncCopies& copies) const {
    MT_UNROLL
    for (int d = 0; d < kThreadDepths; ++d) {
      const int depth = first_depth + tile_depth(d);
      const bool depth_exists = depth < depths;
      const auto decoded = operand_.depth(depth_exists ? depth : 0);
      MT_UNROLL
      for (int i = 0; i < kThreadRows; ++i) {
        const auto element = operand_.at(rows_[i], decoded);
        copies.copy<kRun>(tile + Tile::offset(tile_row(i), tile_depth(d)), element.address,
                          element.exists && row_exists_[i] && depth_exists);
      }
    }
  }

 private:
  // A thread stays at one place of the contiguous axis and steps along the other.
  static constexpr int kPlaces = (Tile::kAlongDepth ? Tile::kDepth : Tile::kRows) / kRun;
  static constexpr int kLines = Tile::kAlongDepth ? Tile::kRows : Tile::kDepth;
  static constexpr int kStep = kBlockThreads / kPlaces;
  static constexpr int kThreadRows = Tile::kAlongDepth ? kLines / kStep : 1;
  static constexpr int kThreadDepths = Tile::kAlongDepth ? 1 : kLines / kStep;
  static_assert(kBlockThreads % kPlaces == 0 && kLines % kStep == 0);

  __device__ static int place() { return int(threadIdx.x) % kPlaces * kRun; }
  __device__ static int line(int i) { return int(threadIdx.x) / kPlaces + i * kStep; }
  __device__ static int tile_row(int i) { return Tile::kAlongDepth ? line(i) : place(); }
  __device__ static int tile_depth(int d) { return Tile::kAlongDepth ? place() : line(d); }

  const Operand& operand_;
  typename Operand::Row rows_[kThreadRows];
  bool row_exists_[kThreadRows];
};

}  // namespace metatape::kernels
