#include "kernels/common/cuda_context.h"
#include "kernels/common/launch.cuh"
#include "kernels/common/strided_index.h"
#include "kernels/common/vector.cuh"
#include "kernels/elementwise/elementwise.h"

// Bound by memory. A thread has two vectors of each operand in flight, so that a full
// multiprocessor waits for 64 KiB; its stores follow its loads, which in-place calls rely on.

namespace metatape::kernels {

namespace {

constexpr int kThreads = 128;
constexpr int kVectors = 2;  ///< of one thread
constexpr int kWidth = 4;    ///< elements of a vector; 16 bytes of the wider type

unsigned blocks_for(std::int64_t vectors) {
  return unsigned(ceil_div(vectors, kThreads * kVectors));
}

/// Vector `v` of this thread; neighbouring threads have neighbouring vectors.
template <class Index>
__device__ Index vector_number(int v) {
  return (Index(blockIdx.x) * kVectors + v) * kThreads + Index(threadIdx.x);
}

/// y[i] = f(x[i]),  i < count.
template <int kWidth, class Function, class From, class To>
__global__ void __launch_bounds__(kThreads)
    unary_kernel(Function f, const From* x, To* y, std::int64_t count) {
  Vector<From, kWidth> in[kVectors];
  MT_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const std::int64_t i = vector_number<std::int64_t>(v) * kWidth;
    if (i + kWidth <= count) in[v] = load<kWidth>(x + i);
  }
  MT_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    std::int64_t i = vector_number<std::int64_t>(v) * kWidth;
    if (i + kWidth <= count) {
      Vector<To, kWidth> out;
      MT_UNROLL
      for (int k = 0; k < kWidth; ++k) out[k] = f(in[v][k]);
      store(y + i, out);
    } else {
      for (; i < count; ++i) y[i] = f(x[i]);
    }
  }
}

template <class Function, class From, class To>
void map_unary(Function f, const From* x, To* y, std::int64_t count, const CudaContext& context) {
  if (count == 0) return;
  if (is_aligned(x, kWidth * sizeof(From)) && is_aligned(y, kWidth * sizeof(To))) {
    MT_LAUNCH((unary_kernel<kWidth, Function, From, To>), blocks_for(ceil_div(count, kWidth)),
              kThreads, 0, context.stream)
    (f, x, y, count);
  } else {
    MT_LAUNCH((unary_kernel<1, Function, From, To>), blocks_for(count), kThreads, 0, context.stream)
    (f, x, y, count);
  }
}

/// How the loops of a binary function lie in memory, in vectors.
template <class Index>
struct BinaryLoops {
  StridedIndex<2, Index> at;
  Along a_along, b_along;
  Index count;  ///< elements of y
};

/// y[i] = f(a[at(i)], b[at(i)]). Only a single loop may end within a vector.
template <int kWidth, class Function, class T, class Index>
__global__ void __launch_bounds__(kThreads)
    binary_kernel(Function f, BinaryLoops<Index> loops, const T* a, const T* b, T* y) {
  Vector<T, kWidth> in_a[kVectors], in_b[kVectors];
  MT_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const Index vector = vector_number<Index>(v);
    if ((vector + 1) * kWidth > loops.count) continue;
    const auto offsets = loops.at(vector);
    in_a[v] = load_along<kWidth>(a + offsets.of[0], loops.a_along);
    in_b[v] = load_along<kWidth>(b + offsets.of[1], loops.b_along);
  }
  MT_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const Index i = vector_number<Index>(v) * kWidth;
    if (i + kWidth <= loops.count) {
      Vector<T, kWidth> out;
      MT_UNROLL
      for (int k = 0; k < kWidth; ++k) out[k] = f(in_a[v][k], in_b[v][k]);
      store(y + i, out);
    } else {
      for (Index j = i; j < loops.count; ++j) {
        y[j] = f(a[loops.a_along == Along::repeats ? 0 : j],
                 b[loops.b_along == Along::repeats ? 0 : j]);
      }
    }
  }
}

template <class Function, class T>
void map_binary(Function f, const BinaryArgs<T>& args, const CudaContext& context) {
  const std::int64_t count = args.loops.count();
  if (count == 0) return;
  const auto loops = canonical_loops<2>(args.loops, {args.a_strides, args.b_strides});
  const bool whole = loops.rank() <= 1 || loops.inner().extent % kWidth == 0;
  const bool in_vectors = whole && is_aligned(args.y, kWidth * sizeof(T)) &&
                          vectors_fit<2, T>(loops, {}, {args.a, args.b}, kWidth);
  const auto along = innermost_steps(loops);
  with_index(is_narrow(loops), [&](auto index) {
    using Index = decltype(index);
    const int width = in_vectors ? kWidth : 1;
    const BinaryLoops<Index> by{StridedIndex<2, Index>(loops, width), along[0], along[1],
                                Index(count)};
    const unsigned blocks = blocks_for(ceil_div(count, width));
    if (in_vectors) {
      MT_LAUNCH((binary_kernel<kWidth, Function, T, Index>), blocks, kThreads, 0, context.stream)
      (f, by, args.a, args.b, args.y);
    } else {
      MT_LAUNCH((binary_kernel<1, Function, T, Index>), blocks, kThreads, 0, context.stream)
      (f, by, args.a, args.b, args.y);
    }
  });
}

template <int kWidth, class T>
__global__ void __launch_bounds__(kThreads) fill_kernel(T* y, std::int64_t count, T value) {
  Vector<T, kWidth> out;
  MT_UNROLL
  for (int k = 0; k < kWidth; ++k) out[k] = value;
  MT_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    std::int64_t i = vector_number<std::int64_t>(v) * kWidth;
    if (i + kWidth <= count) {
      store(y + i, out);
    } else {
      for (; i < count; ++i) y[i] = value;
    }
  }
}

template <class From, class To>
struct Cast {
  __device__ To operator()(From x) const { return static_cast<To>(x); }
};

}  // namespace

template <class T>
void unary(const UnaryArgs<T>& args, const CudaContext& context) {
  switch (args.function) {
#define MT_CASE(name)       \
  case UnaryFunction::name: \
    return map_unary(functor::name<T>{args.scalars}, args.x, args.y, args.count, context);
    MT_UNARY_FUNCTIONS(MT_CASE)
#undef MT_CASE
  }
}

template <class T>
void binary(const BinaryArgs<T>& args, const CudaContext& context) {
  switch (args.function) {
#define MT_CASE(name)        \
  case BinaryFunction::name: \
    return map_binary(functor::name<T>{args.scalars}, args, context);
    MT_BINARY_FUNCTIONS(MT_CASE)
#undef MT_CASE
  }
}

template <class T>
void fill(T* y, std::int64_t count, T value, const CudaContext& context) {
  if (count == 0) return;
  if (is_aligned(y, kWidth * sizeof(T))) {
    MT_LAUNCH((fill_kernel<kWidth, T>), blocks_for(ceil_div(count, kWidth)), kThreads, 0,
              context.stream)
    (y, count, value);
  } else {
    MT_LAUNCH((fill_kernel<1, T>), blocks_for(count), kThreads, 0, context.stream)
    (y, count, value);
  }
}

template <class From, class To>
void cast(const From* x, To* y, std::int64_t count, const CudaContext& context) {
  map_unary(Cast<From, To>{}, x, y, count, context);
}

template void unary(const UnaryArgs<float>&, const CudaContext&);
template void binary(const BinaryArgs<float>&, const CudaContext&);

template void fill(float*, std::int64_t, float, const CudaContext&);
template void fill(std::int32_t*, std::int64_t, std::int32_t, const CudaContext&);

#define MT_INSTANTIATE_TO(From, To) \
  template void cast(const From*, To*, std::int64_t, const CudaContext&);
#define MT_INSTANTIATE(From)            \
  MT_INSTANTIATE_TO(From, float)        \
  MT_INSTANTIATE_TO(From, std::int32_t) \
  MT_INSTANTIATE_TO(From, std::uint8_t)
MT_INSTANTIATE(float)
MT_INSTANTIATE(std::int32_t)
MT_INSTANTIATE(std::uint8_t)
#undef MT_INSTANTIATE
#undef MT_INSTANTIATE_TO

}  // namespace metatape::kernels
