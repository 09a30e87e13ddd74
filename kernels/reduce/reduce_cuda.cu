#include <type_traits>

#include "kernels/common/cuda_context.h"
#include "kernels/common/lanes.cuh"
#include "kernels/common/launch.cuh"
#include "kernels/common/strided_index.h"
#include "kernels/common/vector.cuh"
#include "kernels/reduce/cuda_cut.h"
#include "kernels/reduce/reduce.h"

// Order of additions (cuda_cut.h): four terms of a lane in pairs, these sums one after another, the
// lanes as a tree, the segments like terms. A lane adds n / (64 segments) times in turn; the first
// sum for which that exceeds 4 eps sqrt(n) has 65,536 outputs of 262,144 terms, 64 GiB of operand.
//
// Vectors change what is loaded at once and nothing else, and products are rounded before they are
// added: the sum of a broadcast operand has the bits of the sum of its dense copy, and a fused
// product those of the separate one.

namespace metatape::kernels {

namespace {

template <class Index>
__device__ Index smaller(Index x, Index y) {
  return y < x ? y : x;
}

/// Neighbours of a and b. Loads stand apart from what is done with them, because the thread waits
/// at the first use, and should have asked for everything by then.
template <int kWidth>
struct Loaded {
  Vector<float, kWidth> a, b;  ///< b only of a product
};

/// What is summed: a, or a * b.
template <bool kIsProduct>
struct Summand {
  const float *a, *b;
  Along a_along, b_along;

  template <int kWidth, class Index>
  __device__ Loaded<kWidth> load(Index a_offset, Index b_offset) const {
    Loaded<kWidth> loaded{};
    loaded.a = load_along<kWidth>(a + a_offset, a_along);
    if constexpr (kIsProduct) loaded.b = load_along<kWidth>(b + b_offset, b_along);
    return loaded;
  }

  template <int kWidth>
  __device__ static Vector<float, kWidth> terms(const Loaded<kWidth>& loaded) {
    Vector<float, kWidth> terms = loaded.a;
    if constexpr (kIsProduct) {
      MT_UNROLL
      for (int k = 0; k < kWidth; ++k) terms[k] = __fmul_rn(terms[k], loaded.b[k]);
    }
    return terms;
  }
};

/// Where outputs and terms lie; offsets of a and b, to be added.
template <class Index>
struct SumLoops {
  StridedIndex<2, Index> outputs, terms;
  Index output_count, term_count;  ///< in vectors, along the loop that they lie in
  Index segment;                   ///< of terms, counted likewise
  Index tiles;                     ///< blocks of one segment
  int lanes;
  Along a_along, b_along;  ///< the loop that vectors lie in
};

/// The sum of terms(load(i)) over i = first, first + step, ... < end, four loads in flight.
template <int kWidth, class Index, class Load, class Terms>
__device__ Vector<float, kWidth> sum_strided(Index first, Index end, Index step, const Load& load,
                                             const Terms& terms) {
  constexpr int kLoads = 4;
  Vector<float, kWidth> sum{};
  Index i = first;
  for (; i + (kLoads - 1) * step < end; i += kLoads * step) {
    decltype(load(i)) loaded[kLoads];
    MT_UNROLL
    for (int n = 0; n < kLoads; ++n) loaded[n] = load(i + n * step);
    Vector<float, kWidth> x[kLoads];
    MT_UNROLL
    for (int n = 0; n < kLoads; ++n) x[n] = terms(loaded[n]);
    MT_UNROLL
    for (int k = 0; k < kWidth; ++k) sum[k] += (x[0][k] + x[1][k]) + (x[2][k] + x[3][k]);
  }
  for (; i < end; i += step) {
    const Vector<float, kWidth> last = terms(load(i));
    MT_UNROLL
    for (int k = 0; k < kWidth; ++k) sum[k] += last[k];
  }
  return sum;
}

/// Innermost loop kept. y[segment, outputs]; a thread has kWidth neighbouring outputs.
template <int kWidth, bool kIsProduct, class Index>
__global__ void __launch_bounds__(kSumThreads, 3)
    sum_rows_kernel(SumLoops<Index> loops, const float* a, const float* b, float* y) {
  const Summand<kIsProduct> summand{a, b, loops.a_along, loops.b_along};
  using Sums = Vector<float, kWidth>;
  MT_SHARED(Sums, partial, [kSumThreads]);  // [lanes, outputs of the block]
  const int across = kSumThreads / loops.lanes;
  const int lane = int(threadIdx.x) / across;
  const Index segment = Index(blockIdx.x) / loops.tiles, tile = Index(blockIdx.x) % loops.tiles;
  const Index output = tile * across + int(threadIdx.x) % across;
  const Index begin = segment * loops.segment;
  Sums sum{};
  if (output < loops.output_count) {
    const auto origin = loops.outputs(output);
    const Index end = smaller(begin + loops.segment, loops.term_count);
    const auto load = [&](Index i) {
      const auto row = loops.terms(i);
      return summand.template load<kWidth>(origin.of[0] + row.of[0], origin.of[1] + row.of[1]);
    };
    sum = sum_strided<kWidth, Index>(
        begin + lane, end, loops.lanes, load,
        [&](const Loaded<kWidth>& loaded) { return summand.terms(loaded); });
  }
  partial[threadIdx.x] = sum;
  for (int half = kSumThreads / 2; half >= across; half /= 2) {
    __syncthreads();
    if (int(threadIdx.x) >= half) continue;
    const Sums other = partial[threadIdx.x + half];
    MT_UNROLL
    for (int k = 0; k < kWidth; ++k) sum[k] += other[k];
    partial[threadIdx.x] = sum;
  }
  if (lane == 0 && output < loops.output_count) {
    store(y + (segment * loops.output_count + output) * kWidth, sum);
  }
}

/// Innermost loop reduced. y[outputs, segment]; terms in groups of four, which are vectors if
/// kWidth is 4, else four loads.
template <int kWidth, bool kIsProduct, class Index>
__global__ void __launch_bounds__(kSumThreads, 3)
    sum_groups_kernel(SumLoops<Index> loops, Index segments, const float* a, const float* b,
                      float* y) {
  const Summand<kIsProduct> summand{a, b, loops.a_along, loops.b_along};
  const int across = kSumThreads / loops.lanes;
  const int lane = int(threadIdx.x) % loops.lanes;
  const Index segment = Index(blockIdx.x) / loops.tiles, tile = Index(blockIdx.x) % loops.tiles;
  const Index output = tile * across + int(threadIdx.x) / loops.lanes;
  constexpr int kVectors = kSumWidth / kWidth;  // loads of a group
  const Index begin = segment * loops.segment;
  Vector<float, 1> sum{};
  if (output < loops.output_count) {
    const auto origin = loops.outputs(output);
    const Index end = smaller(begin + loops.segment, loops.term_count);
    const auto load = [&](Index group) {
      Loaded<kSumWidth> loaded{};
      MT_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const Index i = group * kVectors + v;
        if (i >= end) continue;
        const auto at = loops.terms(i);
        const Loaded<kWidth> part =
            summand.template load<kWidth>(origin.of[0] + at.of[0], origin.of[1] + at.of[1]);
        MT_UNROLL
        for (int k = 0; k < kWidth; ++k) {
          loaded.a[v * kWidth + k] = part.a[k];
          if constexpr (kIsProduct) loaded.b[v * kWidth + k] = part.b[k];
        }
      }
      return loaded;
    };
    const auto group_sum = [&](const Loaded<kSumWidth>& loaded) {
      const Vector<float, kSumWidth> terms = summand.terms(loaded);
      return Vector<float, 1>{(terms[0] + terms[1]) + (terms[2] + terms[3])};
    };
    const Index end_group = (end + kVectors - 1) / kVectors;
    sum = sum_strided<1, Index>(begin / kVectors + lane, end_group, loops.lanes, load, group_sum);
  }
  const float total = combine_lanes(sum[0], loops.lanes, Add());
  if (lane == 0 && output < loops.output_count) y[output * segments + segment] = total;
}

using Loops = StridedLoops<2>;

template <bool kIsProduct>
void launch(const CudaCut& cut, const Loops& kept, const Loops& reduced, const float* a,
            const float* b, float* y, const CudaContext& context) {
  const Loops& vector_loops = cut.innermost_is_reduced ? reduced : kept;
  const Loops& other_loops = cut.innermost_is_reduced ? kept : reduced;
  bool in_vectors = vector_loops.inner().extent % kSumWidth == 0 &&
                    vectors_fit<2, float>(vector_loops, other_loops, {a, b}, kSumWidth);
  if (!cut.innermost_is_reduced) in_vectors &= is_aligned(y, kSumWidth * sizeof(float));
  const auto along = innermost_steps(vector_loops);
  const int width = in_vectors ? kSumWidth : 1;
  const int output_width = cut.innermost_is_reduced ? 1 : width;
  const int term_width = cut.innermost_is_reduced ? width : 1;
  const std::int64_t outputs = cut.outputs / output_width;
  const std::int64_t tiles = ceil_div(outputs, cut.outputs_across());
  const unsigned blocks = unsigned(tiles * cut.segments);
  const bool narrow =
      is_narrow(kept) && is_narrow(reduced) && cut.outputs * cut.segments <= kLargestNarrowIndex;
  with_index(narrow, [&](auto index) {
    using Index = decltype(index);
    const SumLoops<Index> loops{StridedIndex<2, Index>(kept, output_width),
                                StridedIndex<2, Index>(reduced, term_width),
                                Index(outputs),
                                Index(cut.terms / term_width),
                                Index(cut.segment / term_width),
                                Index(tiles),
                                cut.lanes,
                                along[0],
                                along[1]};
    const auto launch_width = [&](auto elements) {
      if (cut.innermost_is_reduced) {
        MT_LAUNCH((sum_groups_kernel<elements, kIsProduct, Index>), blocks, kSumThreads, 0,
                  context.stream)
        (loops, Index(cut.segments), a, b, y);
      } else {
        MT_LAUNCH((sum_rows_kernel<elements, kIsProduct, Index>), blocks, kSumThreads, 0,
                  context.stream)
        (loops, a, b, y);
      }
    };
    in_vectors ? launch_width(std::integral_constant<int, kSumWidth>{})
               : launch_width(std::integral_constant<int, 1>{});
  });
}

/// y = the sums of the segments that lie in the workspace.
void sum_segments(const CudaCut& first, const float* workspace, float* y,
                  const CudaContext& context) {
  Loops kept, reduced;
  kept.append({first.outputs, {first.innermost_is_reduced ? first.segments : 1, 0}});
  reduced.append({first.segments, {first.innermost_is_reduced ? 1 : first.outputs, 0}});
  launch<false>(first.of_segments(), kept, reduced, workspace, nullptr, y, context);
}

}  // namespace

std::int64_t sum_workspace_elements(const LoopNest& nest, unsigned reduced, const CudaContext&) {
  const CudaCut cut = CudaCut::of(nest, reduced);
  return cut.segments > 1 ? cut.segments * cut.outputs : 0;
}

template <class T>
void sum(const SumArgs<T>& args, const CudaContext& context) {
  const CudaCut cut = CudaCut::of(args.loops, args.reduced);
  if (cut.outputs == 0) return;
  if (cut.terms == 0) {
    cudaMemsetAsync(args.y, 0, cut.outputs * sizeof(T), context.stream);
    return;
  }
  // Without b the strides of a stand in for it, so that they alone decide what merges.
  const Extents& b_strides = args.b == nullptr ? args.a_strides : args.b_strides;
  const Loops kept = canonical_loops<2>(args.loops, {args.a_strides, b_strides}, ~args.reduced);
  const Loops reduced = canonical_loops<2>(args.loops, {args.a_strides, b_strides}, args.reduced);
  T* sums = cut.segments > 1 ? args.workspace : args.y;
  if (args.b == nullptr) {
    launch<false>(cut, kept, reduced, args.a, nullptr, sums, context);
  } else {
    launch<true>(cut, kept, reduced, args.a, args.b, sums, context);
  }
  if (cut.segments > 1) sum_segments(cut, args.workspace, args.y, context);
}

template void sum(const SumArgs<float>&, const CudaContext&);

}  // namespace metatape::kernels
