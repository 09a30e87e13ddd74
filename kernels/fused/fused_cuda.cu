#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/fused/device_terms.cuh"
#include "kernels/reduce/cuda_cut.h"
#include "kernels/reduce/reduce.h"

namespace metatape::kernels {

namespace {

constexpr int kMapThreads = 128;
/// Blocks that a multiprocessor has room for at least: up to 128 registers for a thread. Left to
/// itself, or with twice as many blocks, the compiler spills.
constexpr int kMapBlocksPerProcessor = 4, kSumBlocksPerProcessor = 2;
/// Shared memory that a launch may have without asking for more.
static_assert((kMaxFusedOperands + kMaxFusedRegisters) * kSumThreads * sizeof(Group) <= 48 << 10);

/// y[i] = expression at i;  pieces of kWidth elements, `count` of them.
template <int kWidth, int kOperands, class Index, class Scattering>
__global__ void __launch_bounds__(kMapThreads, kMapBlocksPerProcessor)
    fused_kernel(const MT_GRID_CONSTANT Terms<kOperands, Scattering> terms,
                 const MT_GRID_CONSTANT StridedIndex<kOperands, Index> at, Index count, float* y) {
  MT_DYNAMIC_SHARED(Group, slots);
  constexpr int kPieces = kGroup / kWidth;
  const Index first = Index(blockIdx.x) * (kMapThreads * kPieces) + Index(threadIdx.x);
  if (first >= count) return;
  const auto exists = [&](int p) { return first + p * kMapThreads < count; };
  const Group result = evaluate_at<kWidth>(terms, slots + threadIdx.x, kMapThreads, exists,
                                           [&](int p) { return at(first + p * kMapThreads); });
  MT_UNROLL
  for (int p = 0; p < kPieces; ++p) {
    if (!exists(p)) continue;
    Vector<float, kWidth> part;
    MT_UNROLL
    for (int j = 0; j < kWidth; ++j) part[j] = result[p * kWidth + j];
    store(y + std::int64_t(first + p * kMapThreads) * kWidth, part);
  }
}

/// A long sum as a sum of short ones: the longest chain of additions for n terms is 32 + n / 32.
class ChainedSum {
 public:
  __device__ void add(float x) {
    short_ += x;
    if (++terms_ == 32) {
      long_ += short_;
      short_ = 0;
      terms_ = 0;
    }
  }
  __device__ float value() const { return long_ + short_; }

 private:
  float long_ = 0, short_ = 0;
  int terms_ = 0;
};

/// Where outputs and terms lie; offsets to be added. See cuda_cut.h for the cut.
template <int kOperands, class Index>
struct FusedSumLoops {
  StridedIndex<kOperands, Index> outputs, terms;
  Index output_count, term_count;  ///< in vectors, along the loop that they lie in
  Index segment;                   ///< of terms, counted likewise
  Index tiles, segments;
  int lanes;
};

/// Innermost loop kept. y[segment, outputs]; a thread has kWidth neighbouring outputs and, where
/// that is one, four terms at a time.
template <int kWidth, int kOperands, class Index, class Scattering>
__global__ void __launch_bounds__(kSumThreads, kSumBlocksPerProcessor)
    fused_rows_kernel(const MT_GRID_CONSTANT Terms<kOperands, Scattering> terms,
                      const MT_GRID_CONSTANT FusedSumLoops<kOperands, Index> loops, float* y) {
  MT_DYNAMIC_SHARED(Group, slots);
  Group* const column = slots + threadIdx.x;
  const int across = kSumThreads / loops.lanes;
  const int lane = int(threadIdx.x) / across;
  const Index segment = Index(blockIdx.x) / loops.tiles, tile = Index(blockIdx.x) % loops.tiles;
  const Index output = tile * across + int(threadIdx.x) % across;
  Group sum{};
  if (output < loops.output_count) {
    const auto origin = loops.outputs(output);
    const Index begin = segment * loops.segment;
    const Index end =
        begin + loops.segment < loops.term_count ? begin + loops.segment : loops.term_count;
    constexpr int kPieces = kGroup / kWidth;
    ChainedSum sums[kWidth];
    for (Index i = begin + lane; i < end; i += kPieces * loops.lanes) {
      const auto exists = [&](int p) { return i + p * loops.lanes < end; };
      const Group values = evaluate_at<kWidth>(terms, column, kSumThreads, exists, [&](int p) {
        return sum_of(origin, loops.terms(i + p * loops.lanes));
      });
      MT_UNROLL
      for (int p = 0; p < kPieces; ++p) {
        if (!exists(p)) continue;
        MT_UNROLL
        for (int j = 0; j < kWidth; ++j) sums[j].add(values[p * kWidth + j]);
      }
    }
    MT_UNROLL
    for (int j = 0; j < kWidth; ++j) sum[j] = sums[j].value();
  }
  *column = sum;
  for (int half = kSumThreads / 2; half >= across; half /= 2) {
    __syncthreads();
    if (int(threadIdx.x) >= half) continue;
    const Group other = slots[threadIdx.x + half];
    MT_UNROLL
    for (int j = 0; j < kGroup; ++j) sum[j] += other[j];
    *column = sum;
  }
  if (lane == 0 && output < loops.output_count) {
    for (int j = 0; j < kWidth; ++j)
      y[std::int64_t(segment * loops.output_count + output) * kWidth + j] = sum[j];
  }
}

/// Innermost loop reduced. y[outputs, segment]; `lanes` neighbouring threads share an output, and
/// groups of four neighbouring terms go round them.
template <int kWidth, int kOperands, class Index, class Scattering>
__global__ void __launch_bounds__(kSumThreads, kSumBlocksPerProcessor)
    fused_groups_kernel(const MT_GRID_CONSTANT Terms<kOperands, Scattering> terms,
                        const MT_GRID_CONSTANT FusedSumLoops<kOperands, Index> loops, float* y) {
  MT_DYNAMIC_SHARED(Group, slots);
  const int lane = int(threadIdx.x) % loops.lanes;
  const Index segment = Index(blockIdx.x) / loops.tiles, tile = Index(blockIdx.x) % loops.tiles;
  const Index output = tile * (kSumThreads / loops.lanes) + int(threadIdx.x) / loops.lanes;
  ChainedSum sum;
  if (output < loops.output_count) {
    const auto origin = loops.outputs(output);
    const Index begin = segment * loops.segment;
    const Index end =
        begin + loops.segment < loops.term_count ? begin + loops.segment : loops.term_count;
    constexpr int kPieces = kGroup / kWidth;
    for (Index i = begin + lane * kPieces; i < end; i += kPieces * loops.lanes) {
      const auto exists = [&](int p) { return i + p < end; };
      const Group values =
          evaluate_at<kWidth>(terms, slots + threadIdx.x, kSumThreads, exists,
                              [&](int p) { return sum_of(origin, loops.terms(i + p)); });
      Group kept{};
      MT_UNROLL
      for (int j = 0; j < kGroup; ++j)
        if (exists(j / kWidth)) kept[j] = values[j];
      sum.add((kept[0] + kept[1]) + (kept[2] + kept[3]));
    }
  }
  Group* const column = slots + threadIdx.x;
  (*column)[0] = sum.value();
  for (int half = loops.lanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane < half) (*column)[0] += column[half][0];
  }
  if (lane == 0 && output < loops.output_count) y[output * loops.segments + segment] = (*column)[0];
}

/// The second launch of a sum in segments: a sum of what the first left in the workspace. It may
/// need a workspace too, behind that.
SumArgs<float> sum_of_segments(const CudaCut& cut, float* workspace, float* y) {
  SumArgs<float> args{.loops = {.rank = 2}, .a = workspace, .y = y};
  args.loops.extents = cut.innermost_is_reduced ? Extents{cut.outputs, cut.segments}
                                                : Extents{cut.segments, cut.outputs};
  args.reduced = cut.innermost_is_reduced ? 0b10 : 0b01;
  args.a_strides = {args.loops.extents[1], 1};
  args.workspace = workspace + cut.segments * cut.outputs;
  return args;
}

}  // namespace

std::int64_t fused_sum_workspace_elements(const LoopNest& nest, unsigned reduced,
                                          const CudaContext& context) {
  const CudaCut cut = CudaCut::of(nest, reduced);
  if (cut.segments == 1) return 0;
  const SumArgs<float> second = sum_of_segments(cut, nullptr, nullptr);
  return cut.segments * cut.outputs + sum_workspace_elements(second.loops, second.reduced, context);
}

template <class T>
void fused(const FusedArgs<T>& args, const CudaContext& context) {
  const std::int64_t count = args.loops.count();
  if (count == 0) return;
  const Loops loops = canonical_loops<kMaxFusedOperands>(args.loops, args.strides);
  const bool in_vectors =
      reads_in_vectors(args, loops, {}) && is_aligned(args.y, kGroup * sizeof(T));
  with_kernel(in_vectors, args, is_narrow(loops),
              [&](auto width, auto operands, auto index, auto scattering) {
                using Index = decltype(index);
                using Scattering = decltype(scattering);
                const std::int64_t pieces = count / width;
                const unsigned blocks =
                    unsigned(ceil_div(pieces, std::int64_t{kMapThreads} * kGroup / width));
                MT_LAUNCH((fused_kernel<width, operands, Index, Scattering>), blocks, kMapThreads,
                          shared_bytes(args.expression, kMapThreads), context.stream)
                (terms_of<operands>(args, loops, scattering),
                 StridedIndex<operands, Index>(first_operands<operands>(loops), width),
                 Index(pieces), args.y);
              });
}

template <class T>
void fused_sum(const FusedSumArgs<T>& args, const CudaContext& context) {
  const FusedArgs<T>& terms = args.terms;
  const CudaCut cut = CudaCut::of(terms.loops, args.reduced);
  if (cut.outputs == 0) return;
  if (cut.terms == 0) {
    cudaMemsetAsync(terms.y, 0, cut.outputs * sizeof(T), context.stream);
    return;
  }
  const Loops kept = canonical_loops<kMaxFusedOperands>(terms.loops, terms.strides, ~args.reduced);
  const Loops reduced =
      canonical_loops<kMaxFusedOperands>(terms.loops, terms.strides, args.reduced);
  const bool in_groups = cut.innermost_is_reduced;
  const bool in_vectors =
      in_groups ? reads_in_vectors(terms, reduced, kept) : reads_in_vectors(terms, kept, reduced);
  const bool narrow =
      is_narrow(kept) && is_narrow(reduced) && cut.outputs * cut.segments <= kLargestNarrowIndex;
  T* sums = cut.segments > 1 ? args.workspace : terms.y;
  with_kernel(in_vectors, terms, narrow,
              [&](auto width, auto operands, auto index, auto scattering) {
                using Index = decltype(index);
                using Scattering = decltype(scattering);
                const int output_width = in_groups ? 1 : width, term_width = in_groups ? width : 1;
                const std::int64_t outputs = cut.outputs / output_width;
                const std::int64_t tiles = ceil_div(outputs, cut.outputs_across());
                const FusedSumLoops<operands, Index> loops{
                    StridedIndex<operands, Index>(first_operands<operands>(kept), output_width),
                    StridedIndex<operands, Index>(first_operands<operands>(reduced), term_width),
                    Index(outputs),
                    Index(cut.terms / term_width),
                    Index(cut.segment / term_width),
                    Index(tiles),
                    Index(cut.segments),
                    cut.lanes};
                const unsigned blocks = unsigned(tiles * cut.segments);
                const std::size_t shared = shared_bytes(terms.expression, kSumThreads);
                if (in_groups) {
                  MT_LAUNCH((fused_groups_kernel<width, operands, Index, Scattering>), blocks,
                            kSumThreads, shared, context.stream)
                  (terms_of<operands>(terms, reduced, scattering), loops, sums);
                } else {
                  MT_LAUNCH((fused_rows_kernel<width, operands, Index, Scattering>), blocks,
                            kSumThreads, shared, context.stream)
                  (terms_of<operands>(terms, kept, scattering), loops, sums);
                }
              });
  if (cut.segments == 1) return;
  sum<T>(sum_of_segments(cut, args.workspace, terms.y), context);
}

template void fused(const FusedArgs<float>&, const CudaContext&);
template void fused_sum(const FusedSumArgs<float>&, const CudaContext&);

}  // namespace metatape::kernels
