#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/common/strided_index.h"
#include "kernels/common/vector.cuh"
#include "kernels/tril/tril.h"

// One thread for each vector of y; those wholly above the diagonal read nothing.

namespace metatape::kernels {

namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;

/// `at`: row i and column j of a vector in its matrix.
template <int kWidth, class T, class Index>
__global__ void __launch_bounds__(kThreads)
    tril_kernel(StridedIndex<2, Index> at, Index vectors, T diagonal_scale, const T* x, T* y) {
  const Index vector = Index(blockIdx.x) * kThreads + Index(threadIdx.x);
  if (vector >= vectors) return;
  const auto position = at(vector);
  const Index i = position.of[0], j = position.of[1];
  Vector<T, kWidth> out{};
  if (j <= i) {
    const Vector<T, kWidth> in = load<kWidth>(x + vector * kWidth);
    MT_UNROLL
    for (int k = 0; k < kWidth; ++k) {
      if (j + k < i) out[k] = in[k];
      if (j + k == i) out[k] = diagonal_scale * in[k];
    }
  }
  store(y + vector * kWidth, out);
}

/// The vectors of all matrices, with their row and column as offsets.
StridedLoops<2> vectors_of(std::int64_t batch, std::int64_t n, int width) {
  StridedLoops<2> loops;
  loops.append({batch, {0, 0}});
  loops.append({n, {1, 0}});
  loops.append({n / width, {0, width}});
  return loops;
}

template <int kWidth, class T>
void launch(const TrilArgs<T>& args, const CudaContext& context) {
  const StridedLoops<2> loops = vectors_of(args.batch, args.n, kWidth);
  const std::int64_t vectors = loops.count();
  with_index(vectors * kWidth <= kLargestNarrowIndex, [&](auto index) {
    using Index = decltype(index);
    MT_LAUNCH((tril_kernel<kWidth, T, Index>), unsigned(ceil_div(vectors, kThreads)), kThreads, 0,
              context.stream)
    (StridedIndex<2, Index>(loops), Index(vectors), args.diagonal_scale, args.x, args.y);
  });
}

}  // namespace

template <class T>
void tril(const TrilArgs<T>& args, const CudaContext& context) {
  if (args.batch == 0 || args.n == 0) return;
  constexpr std::size_t kBytes = kWidth * sizeof(T);
  if (args.n % kWidth == 0 && is_aligned(args.x, kBytes) && is_aligned(args.y, kBytes)) {
    launch<kWidth>(args, context);
  } else {
    launch<1>(args, context);
  }
}

template void tril(const TrilArgs<float>&, const CudaContext&);

}  // namespace metatape::kernels
