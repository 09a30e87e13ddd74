#include "kernels/common/parallel.h"
#include "kernels/common/strided_loops.h"
#include "kernels/elementwise/elementwise.h"

// In place, step i of a loop reads and writes element i only. The ivdep pragma says so: without it
// the compiler's overlap test sends every in-place call to a scalar loop.

namespace metatape::kernels {

namespace {

// Functions are passed by value: a reference to their constants could alias y.
template <class Function, class T>
void unary_run(Function f, const T* x, T* y, std::int64_t length) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < length; ++i) y[i] = f(x[i]);
}

template <class Function, class T, class StepA, class StepB>
void binary_run(Function f, const T* a, StepA a_at, const T* b, StepB b_at, T* y,
                std::int64_t length) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < length; ++i) y[i] = f(a[a_at(i)], b[b_at(i)]);
}

template <class Function, class T>
void map_unary(Function f, const UnaryArgs<T>& args, const CpuContext& context) {
  parallel_pieces(args.count, context, [&](std::int64_t begin, std::int64_t end) {
    unary_run(f, args.x + begin, args.y + begin, end - begin);
  });
}

template <class Function, class T>
void map_binary(Function f, const BinaryArgs<T>& args, const CpuContext& context) {
  const std::int64_t count = args.loops.count();
  if (count == 0) return;
  const auto loops = canonical_loops<2>(args.loops, {args.a_strides, args.b_strides});
  const Offsets<2> strides = loops.inner().strides;
  with_steps(strides[0], strides[1], [&](auto a_at, auto b_at) {
    parallel_pieces(count, context, [&](std::int64_t begin, std::int64_t end) {
      for_each_run(loops, begin, end,
                   [&](std::int64_t first, std::int64_t length, const Offsets<2>& offsets) {
                     binary_run(f, args.a + offsets[0], a_at, args.b + offsets[1], b_at,
                                args.y + first, length);
                   });
    });
  });
}

}  // namespace

template <class T>
void unary(const UnaryArgs<T>& args, const CpuContext& context) {
  switch (args.function) {
#define MT_CASE(name)       \
  case UnaryFunction::name: \
    return map_unary(functor::name<T>{args.scalars}, args, context);
    MT_UNARY_FUNCTIONS(MT_CASE)
#undef MT_CASE
  }
}

template <class T>
void binary(const BinaryArgs<T>& args, const CpuContext& context) {
  switch (args.function) {
#define MT_CASE(name)        \
  case BinaryFunction::name: \
    return map_binary(functor::name<T>{args.scalars}, args, context);
    MT_BINARY_FUNCTIONS(MT_CASE)
#undef MT_CASE
  }
}

template <class T>
void fill(T* y, std::int64_t count, T value, const CpuContext& context) {
  parallel_pieces(count, context, [&](std::int64_t begin, std::int64_t end) {
    std::fill(y + begin, y + end, value);
  });
}

template <class From, class To>
void cast(const From* x, To* y, std::int64_t count, const CpuContext& context) {
  parallel_pieces(count, context, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] = static_cast<To>(x[i]);
  });
}

#define MT_INSTANTIATE(T)                                      \
  template void unary(const UnaryArgs<T>&, const CpuContext&); \
  template void binary(const BinaryArgs<T>&, const CpuContext&);
MT_INSTANTIATE(float)
MT_INSTANTIATE(double)
#undef MT_INSTANTIATE

#define MT_INSTANTIATE(T) template void fill(T*, std::int64_t, T, const CpuContext&);
MT_INSTANTIATE(float)
MT_INSTANTIATE(double)
MT_INSTANTIATE(std::int32_t)
#undef MT_INSTANTIATE

#define MT_INSTANTIATE_TO(From, To) \
  template void cast(const From*, To*, std::int64_t, const CpuContext&);
#define MT_INSTANTIATE(From)            \
  MT_INSTANTIATE_TO(From, float)        \
  MT_INSTANTIATE_TO(From, double)       \
  MT_INSTANTIATE_TO(From, std::int32_t) \
  MT_INSTANTIATE_TO(From, std::uint8_t)
MT_INSTANTIATE(float)
MT_INSTANTIATE(double)
MT_INSTANTIATE(std::int32_t)
MT_INSTANTIATE(std::uint8_t)
#undef MT_INSTANTIATE
#undef MT_INSTANTIATE_TO

}  // namespace metatape::kernels
