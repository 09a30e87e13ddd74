#include "kernels/reduce/reduce.h"

#include "kernels/common/strided_loops.h"
#include "kernels/reduce/sum_order.h"

namespace metatape::kernels {

namespace {

/// The summand a[...] of a sum without second operand.
template <class T, class Step>
struct Value {
  const T* a;
  Step a_at;
  T operator()(const Offsets<2>& offsets, std::int64_t i) const { return a[offsets[0] + a_at(i)]; }
};

/// The summand a[...] * b[...].
template <class T, class StepA, class StepB>
struct Product {
  const T *a, *b;
  StepA a_at;
  StepB b_at;
  T operator()(const Offsets<2>& offsets, std::int64_t i) const {
    return a[offsets[0] + a_at(i)] * b[offsets[1] + b_at(i)];
  }
};

/// Calls body(summand) with the summand as read along an innermost loop of these strides.
template <class T, class Body>
void with_summand(const SumArgs<T>& args, const Offsets<2>& strides, const Body& body) {
  if (args.b == nullptr) {
    if (strides[0] == 1) return body(Value<T, UnitStep>{args.a, {}});
    return body(Value<T, AnyStep>{args.a, {strides[0]}});
  }
  with_steps(strides[0], strides[1], [&](auto a_at, auto b_at) {
    body(Product<T, decltype(a_at), decltype(b_at)>{args.a, args.b, a_at, b_at});
  });
}

Offsets<2> sum_of(const Offsets<2>& x, const Offsets<2>& y) { return {x[0] + y[0], x[1] + y[1]}; }

/// y[c] = sum over the rows r of the terms c of each row, c < columns.
template <class T, class Summand>
void sum_rows(const Summand& term, const Offsets<2>& origin, const Offsets<2>* rows,
              std::int64_t row_count, std::int64_t columns, T* __restrict y) {
  const Offsets<2> first = sum_of(origin, rows[0]);
  for (std::int64_t c = 0; c < columns; ++c) y[c] = term(first, c);
  std::int64_t r = 1;
  for (; r + 4 <= row_count; r += 4) {
    const Offsets<2> r0 = sum_of(origin, rows[r]), r1 = sum_of(origin, rows[r + 1]);
    const Offsets<2> r2 = sum_of(origin, rows[r + 2]), r3 = sum_of(origin, rows[r + 3]);
    for (std::int64_t c = 0; c < columns; ++c) {
      y[c] += (term(r0, c) + term(r1, c)) + (term(r2, c) + term(r3, c));
    }
  }
  for (; r < row_count; ++r) {
    const Offsets<2> row = sum_of(origin, rows[r]);
    for (std::int64_t c = 0; c < columns; ++c) y[c] += term(row, c);
  }
}

template <class T>
class Summation {
 public:
  explicit Summation(const SumArgs<T>& args)
      : args_(args),
        cut_(args.loops, args.reduced),
        kept_(canonical_loops<2>(args.loops, strides(), ~args.reduced)),
        reduced_(canonical_loops<2>(args.loops, strides(), args.reduced)) {}

  void run(const CpuContext& context) const {
    const std::int64_t elements = cut_.outputs * cut_.terms;
    if (elements == 0) {
      std::fill_n(args_.y, cut_.outputs, T(0));
      return;
    }
    parallel_for(cut_.chunks * cut_.segments, elements, context, [&](std::int64_t item) {
      const std::int64_t segment = item % cut_.segments;
      const std::int64_t begin = item / cut_.segments * cut_.chunk;
      const std::int64_t end = std::min(cut_.outputs, begin + cut_.chunk);
      T* sums = cut_.segments == 1 ? args_.y : args_.workspace + segment * cut_.outputs;
      cut_.innermost_is_reduced ? add_terms(segment, begin, end, sums)
                                : add_rows(segment, begin, end, sums);
    });
    if (cut_.segments > 1) add_segments(cut_, args_.workspace, args_.y, context);
  }

 private:
  /// Without b the strides of a stand in for it, so that they alone decide what merges.
  std::array<Extents, 2> strides() const {
    return {args_.a_strides, args_.b == nullptr ? args_.a_strides : args_.b_strides};
  }

  /// sums[k] = the sum of one segment, for outputs [begin, end); vectors run along the outputs.
  void add_rows(std::int64_t segment, std::int64_t begin, std::int64_t end, T* sums) const {
    std::array<Offsets<2>, kRowSegment> rows;
    std::int64_t row_count = 0;
    const Offsets<2> step = reduced_.inner().strides;
    for_each_run(reduced_, cut_.first_term(segment), cut_.end_term(segment),
                 [&](std::int64_t, std::int64_t length, Offsets<2> offsets) {
                   for (std::int64_t i = 0; i < length; ++i) {
                     rows[row_count++] = offsets;
                     offsets = sum_of(offsets, step);
                   }
                 });
    with_summand(args_, kept_.inner().strides, [&](const auto& term) {
      for_each_run(kept_, begin, end,
                   [&](std::int64_t first, std::int64_t length, const Offsets<2>& offsets) {
                     sum_rows(term, offsets, rows.data(), row_count, length, sums + first);
                   });
    });
  }

  /// The same; vectors run along the terms.
  void add_terms(std::int64_t segment, std::int64_t begin, std::int64_t end, T* sums) const {
    const Offsets<2> step = kept_.inner().strides;
    with_summand(args_, reduced_.inner().strides, [&](const auto& term) {
      for_each_run(kept_, begin, end,
                   [&](std::int64_t first, std::int64_t length, Offsets<2> offsets) {
                     for (std::int64_t i = 0; i < length; ++i) {
                       sums[first + i] = segment_sum(term, segment, offsets);
                       offsets = sum_of(offsets, step);
                     }
                   });
    });
  }

  template <class Summand>
  T segment_sum(const Summand& term, std::int64_t segment, const Offsets<2>& origin) const {
    const std::int64_t begin = cut_.first_term(segment), end = cut_.end_term(segment);
    if (reduced_.rank() == 1) {
      const Offsets<2> stride = reduced_[0].strides;
      const Offsets<2> offsets = sum_of(origin, {begin * stride[0], begin * stride[1]});
      return sum_lanes<T>(end - begin, [&](std::int64_t i) { return term(offsets, i); });
    }
    // Several loops: line the terms up first, so that the lanes do not see where runs begin.
    std::array<T, kLaneSegment> terms;
    for_each_run(reduced_, begin, end,
                 [&](std::int64_t first, std::int64_t length, const Offsets<2>& run) {
                   const Offsets<2> offsets = sum_of(origin, run);
                   T* out = terms.data() + (first - begin);
                   for (std::int64_t i = 0; i < length; ++i) out[i] = term(offsets, i);
                 });
    return sum_lanes<T>(end - begin, [&](std::int64_t i) { return terms[i]; });
  }

  const SumArgs<T>& args_;
  SumCut cut_;
  StridedLoops<2> kept_, reduced_;
};

}  // namespace

std::int64_t sum_workspace_elements(const LoopNest& nest, unsigned reduced, const CpuContext&) {
  return SumCut(nest, reduced).workspace();
}

template <class T>
void sum(const SumArgs<T>& args, const CpuContext& context) {
  Summation<T>(args).run(context);
}

template void sum(const SumArgs<float>&, const CpuContext&);
template void sum(const SumArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
