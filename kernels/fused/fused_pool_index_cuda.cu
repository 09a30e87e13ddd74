#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/fused/device_terms.cuh"

// A thread for four channels of a window, or for one channel of four windows: it evaluates the
// expression at each pixel and keeps the place of the largest value.

namespace metatape::kernels {

namespace {

constexpr int kThreads = 128;
/// Up to 128 registers for a thread, as in fused_cuda.cu; single elements, with offsets of their
/// own, may take 255 rather than spill.
constexpr int blocks_per_processor(int width) { return width == 1 ? 2 : 4; }

/// Steps of each operand inside a window.
template <int kOperands, class Index>
struct WindowSteps {
  int extent;
  Index row[kOperands], column[kOperands];
};

/// `at`: the first pixel of a window in each operand.
template <int kWidth, int kOperands, class Index>
__global__ void __launch_bounds__(kThreads, blocks_per_processor(kWidth))
    fused_pool_index_kernel(const MT_GRID_CONSTANT Terms<kOperands> terms,
                            const MT_GRID_CONSTANT StridedIndex<kOperands, Index> at,
                            const MT_GRID_CONSTANT WindowSteps<kOperands, Index> window,
                            Index count, WindowPlace* index) {
  MT_DYNAMIC_SHARED(Group, slots);
  constexpr int kPieces = kGroup / kWidth;
  const Index first = Index(blockIdx.x) * (kThreads * kPieces) + Index(threadIdx.x);
  if (first >= count) return;
  const auto exists = [&](int p) { return first + p * kThreads < count; };
  Group best{};
  WindowPlace winner[kGroup] = {};
  for (int r = 0; r < window.extent; ++r) {
    for (int s = 0; s < window.extent; ++s) {
      const Group value =
          evaluate_at<kWidth>(terms, slots + threadIdx.x, kThreads, exists, [&](int p) {
            auto offsets = at(first + p * kThreads);
            MT_UNROLL
            for (int k = 0; k < kOperands; ++k)
              offsets.of[k] += r * window.row[k] + s * window.column[k];
            return offsets;
          });
      MT_UNROLL
      for (int k = 0; k < kGroup; ++k) {
        const bool first_nan = value[k] != value[k] && best[k] == best[k];
        if ((r == 0 && s == 0) || value[k] > best[k] || first_nan) {
          best[k] = value[k];
          winner[k] = WindowPlace(r * window.extent + s);
        }
      }
    }
  }
  MT_UNROLL
  for (int p = 0; p < kPieces; ++p) {
    if (!exists(p)) continue;
    Vector<WindowPlace, kWidth> part;
    MT_UNROLL
    for (int j = 0; j < kWidth; ++j) part[j] = winner[p * kWidth + j];
    store(index + std::int64_t(first + p * kThreads) * kWidth, part);
  }
}

/// The loops of the expression, those over rows and columns in steps from window to window.
FusedArgs<float> over_windows(const FusedArgs<float>& terms, const PoolGeometry& pool) {
  FusedArgs<float> windows = terms;
  const int row = terms.loops.rank - 3, column = row + 1;
  windows.loops.extents[row] = pool.out_height();
  windows.loops.extents[column] = pool.out_width();
  for (Extents& strides : windows.strides) {
    strides[row] *= pool.stride;
    strides[column] *= pool.stride;
  }
  return windows;
}

template <int kOperands, class Index>
WindowSteps<kOperands, Index> window_steps(const FusedArgs<float>& terms,
                                           const PoolGeometry& pool) {
  WindowSteps<kOperands, Index> steps{.extent = int(pool.window)};
  const int row = terms.loops.rank - 3;
  for (int k = 0; k < kOperands; ++k) {
    steps.row[k] = Index(terms.strides[k][row]);
    steps.column[k] = Index(terms.strides[k][row + 1]);
  }
  return steps;
}

/// Whether four channels are neighbours in every operand, at each pixel of a window.
bool channels_in_vectors(const FusedPoolIndexArgs<float>& args, const Loops& loops) {
  const FusedArgs<float>& terms = args.terms;
  const int row = terms.loops.rank - 3, channel = terms.loops.rank - 1;
  for (int k = 0; k < terms.expression.operands; ++k)
    if (terms.strides[k][channel] != 0 &&
        (terms.strides[k][row] % kGroup != 0 || terms.strides[k][row + 1] % kGroup != 0))
      return false;
  return args.pool.channels % kGroup == 0 && is_aligned(args.index, kGroup) &&
         reads_in_vectors(terms, loops, {});
}

}  // namespace

std::int64_t fused_pool_index_workspace_elements(const PoolGeometry&, const CudaContext&) {
  return 0;
}

template <class T>
void fused_pool_index(const FusedPoolIndexArgs<T>& args, const CudaContext& context) {
  const FusedArgs<T> windows = over_windows(args.terms, args.pool);
  const std::int64_t count = windows.loops.count();
  if (count == 0) return;
  const Loops loops = canonical_loops<kMaxFusedOperands>(windows.loops, windows.strides);
  const Loops pixels = canonical_loops<kMaxFusedOperands>(args.terms.loops, args.terms.strides);
  const bool narrow = is_narrow(loops) && is_narrow(pixels);
  with_kernel(channels_in_vectors(args, loops), windows, narrow,
              [&](auto width, auto operands, auto index, auto scattering) {
                using Index = decltype(index);
                if constexpr (std::is_same_v<decltype(scattering), NoScattering>) {
                  const std::int64_t pieces = count / width;
                  const unsigned blocks =
                      unsigned(ceil_div(pieces, std::int64_t{kThreads} * kGroup / width));
                  MT_LAUNCH((fused_pool_index_kernel<width, operands, Index>), blocks, kThreads,
                            shared_bytes(windows.expression, kThreads), context.stream)
                  (terms_of<operands>(windows, loops, scattering),
                   StridedIndex<operands, Index>(first_operands<operands>(loops), width),
                   window_steps<operands, Index>(args.terms, args.pool), Index(pieces), args.index);
                }
              });
}

template void fused_pool_index(const FusedPoolIndexArgs<float>&, const CudaContext&);

}  // namespace metatape::kernels
