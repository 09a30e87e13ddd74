// Places of elements: views, permutations, slices and their adjoints. All of them are linear and
// move data only; one strided copy kernel serves them.

#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/ops/attributes.h"
#include "engine/ops/common.h"
#include "kernels/copy/copy.h"
#include "kernels/elementwise/elementwise.h"

namespace metatape {
namespace {

double no_flops(const PlanCall&) { return 0; }

/// Copies between a dense array and part of another; `part` is the loop nest of both.
template <class Call>
void strided_copy(const Call& c, const Shape& part, const void* x,
                  const kernels::Extents& x_strides, std::int64_t x_offset, void* y,
                  const kernels::Extents& y_strides, std::int64_t y_offset) {
  with_any(c, c.out_type.dtype, [&]<class T>() {
    kernels::copy<T>({.loops = loops_of(part),
                      .x_strides = x_strides,
                      .y_strides = y_strides,
                      .x = static_cast<const T*>(x) + x_offset,
                      .y = static_cast<T*>(y) + y_offset},
                     c.context);
  });
}

// ---- reshape, stop_gradient
// ----------------------------------------------------------------------

struct ReshapeAttr {
  std::int64_t extents[Shape::kMaxRank];
  std::int64_t rank;
};

ValueType infer_reshape(const InferCall& c) {
  const auto a = c.attr.as<ReshapeAttr>();
  const Shape to(c.in[0].shape.tasks(), std::span(a.extents, std::size_t(a.rank)));
  if (to.elements() != c.in[0].shape.elements())
    fail_shape(c, "{} has {} elements, {} has {}", c.in[0].shape.str(), c.in[0].shape.elements(),
               to.str(), to.elements());
  return {to, c.in[0].dtype};
}

Cotangents reshape_vjp(const Pullback& p) {
  return {reshape(p.ct, p.in[0].shape().extents(), p.where)};
}

ValueType infer_view(const InferCall& c) { return c.in[0]; }

// ---- transpose
// -----------------------------------------------------------------------------------

struct TransposeAttr {
  int permutation[Shape::kMaxRank];
  int rank;
};

ValueType infer_transpose(const InferCall& c) {
  const auto a = c.attr.as<TransposeAttr>();
  const Shape& x = c.in[0].shape;
  std::vector<int> sorted(a.permutation, a.permutation + a.rank);
  std::sort(sorted.begin(), sorted.end());
  bool valid = a.rank == x.rank();
  for (int k = 0; valid && k < a.rank; ++k) valid = sorted[std::size_t(k)] == k;
  if (!valid)
    fail_shape(c, "({}) is not a permutation of the {} axes of {}",
               fmt::join(a.permutation, a.permutation + a.rank, ","), x.rank(), x.str());
  Shape out = x;
  for (int k = 0; k < a.rank; ++k) out = out.with_extent(k, x[a.permutation[k]]);
  return {out, c.in[0].dtype};
}

constexpr auto transpose_call = [](const auto& c) {
  const auto a = attribute<TransposeAttr>(c);
  const Shape &x = c.in_types[0].shape, &y = c.out_type.shape;
  const kernels::Extents x_strides = strides_over(x, x);
  kernels::Extents permuted{};
  permuted[0] = x_strides[0];
  for (int k = 0; k < a.rank; ++k) permuted[k + 1] = x_strides[a.permutation[k] + 1];
  strided_copy(c, y, c.in[0], permuted, 0, c.out, strides_over(y, y), 0);
};

Cotangents transpose_vjp(const Pullback& p) {
  const auto a = p.attr.as<TransposeAttr>();
  std::vector<int> inverse(std::size_t(a.rank));
  for (int k = 0; k < a.rank; ++k) inverse[std::size_t(a.permutation[k])] = k;
  return {transpose(p.ct, inverse, p.where)};
}

std::string describe_transpose(const Attr& attr) {
  const auto a = attr.as<TransposeAttr>();
  return fmt::format("{}", fmt::join(a.permutation, a.permutation + a.rank, ","));
}

// ---- slice and pad: each other's adjoints
// --------------------------------------------------------

/// slice: x has `extent` along the axis and the result `count`; pad: the other way round.
struct SpanAttr {
  std::int64_t axis, extent, start, step, count;
};

ValueType infer_slice(const InferCall& c) {
  const auto a = c.attr.as<SpanAttr>();
  if (a.start < 0 || a.step < 1 || a.count < 0 ||
      (a.count > 0 && a.start + (a.count - 1) * a.step >= a.extent))
    fail_shape(c, "{} elements from {} in steps of {} along axis {} of {}", a.count, a.start,
               a.step, a.axis, c.in[0].shape.str());
  return {c.in[0].shape.with_extent(int(a.axis), a.count), c.in[0].dtype};
}

ValueType infer_pad(const InferCall& c) {
  const auto a = c.attr.as<SpanAttr>();
  if (c.in[0].dtype == DType::u8) fail_dtype(c, "operand is u8, expected f32, f64 or i32");
  if (a.start < 0 || a.step < 1 || (a.count > 0 && a.start + (a.count - 1) * a.step >= a.extent))
    fail_shape(c, "{} placed from {} in steps of {} along axis {} does not fit an extent of {}",
               c.in[0].shape.str(), a.start, a.step, a.axis, a.extent);
  return {c.in[0].shape.with_extent(int(a.axis), a.extent), c.in[0].dtype};
}

/// Strides and offset of the spanned elements within the large array.
std::pair<kernels::Extents, std::int64_t> span_of(const Shape& large, const SpanAttr& a) {
  kernels::Extents strides = strides_over(large, large);
  std::int64_t along = 1;
  for (int axis = int(a.axis) + 1; axis < large.rank(); ++axis) along *= large[axis];
  strides[a.axis + 1] = along * a.step;
  return {strides, along * a.start};
}

constexpr auto slice_call = [](const auto& c) {
  const auto [strides, offset] = span_of(c.in_types[0].shape, attribute<SpanAttr>(c));
  const Shape& part = c.out_type.shape;
  strided_copy(c, part, c.in[0], strides, offset, c.out, strides_over(part, part), 0);
};

constexpr auto pad_call = [](const auto& c) {
  const auto [strides, offset] = span_of(c.out_type.shape, attribute<SpanAttr>(c));
  const Shape& part = c.in_types[0].shape;
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::fill<T>(output<T>(c), c.out_type.shape.elements(), T(0), c.context);
  });
  strided_copy(c, part, c.in[0], strides_over(part, part), 0, c.out, strides, offset);
};

Cotangents slice_vjp(const Pullback& p) {
  const auto a = p.attr.as<SpanAttr>();
  return {pad(p.ct, int(a.axis), a.extent, a.start, a.step, p.where)};
}

Cotangents pad_vjp(const Pullback& p) {
  const auto a = p.attr.as<SpanAttr>();
  const std::int64_t stop = a.count ? a.start + (a.count - 1) * a.step + 1 : a.start;
  return {slice(p.ct, int(a.axis), a.start, stop, a.step, p.where)};
}

std::string describe_span(const Attr& attr) {
  const auto a = attr.as<SpanAttr>();
  return fmt::format("axis={}, start={}, step={}", a.axis, a.start, a.step);
}

// ---- concat
// --------------------------------------------------------------------------------------

struct AxisAttr {
  std::int64_t axis;
};

ValueType infer_concat(const InferCall& c) {
  const int axis = int(c.attr.as<AxisAttr>().axis);
  const std::int64_t tasks = common_tasks(c);
  std::int64_t extent = 0;
  for (const ValueType& v : c.in) {
    if (v.dtype != c.in[0].dtype)
      fail_dtype(c, "parts have types {} and {}", dtype_name(c.in[0].dtype), dtype_name(v.dtype));
    if (v.shape.rank() != c.in[0].shape.rank() ||
        v.shape.with_extent(axis, 0).with_tasks(1) !=
            c.in[0].shape.with_extent(axis, 0).with_tasks(1))
      fail_shape(c, "parts {} and {} differ beside axis {}", c.in[0].shape.str(), v.shape.str(),
                 axis);
    extent += v.shape[axis];
  }
  return {c.in[0].shape.with_extent(axis, extent).with_tasks(tasks), c.in[0].dtype};
}

constexpr auto concat_call = [](const auto& c) {
  SpanAttr part{
      .axis = attribute<AxisAttr>(c).axis, .extent = 0, .start = 0, .step = 1, .count = 0};
  for (std::size_t k = 0; k < c.in.size(); ++k) {
    const Shape stretched = c.in_types[k].shape.with_tasks(c.out_type.shape.tasks());
    const auto [strides, offset] = span_of(c.out_type.shape, part);
    strided_copy(c, stretched, c.in[k], strides_over(c.in_types[k].shape, stretched), 0, c.out,
                 strides, offset);
    part.start += stretched[int(part.axis)];
  }
};

Cotangents concat_vjp(const Pullback& p) {
  const int axis = int(p.attr.as<AxisAttr>().axis);
  Cotangents back;
  std::int64_t start = 0;
  for (std::size_t k = 0; k < p.in.size(); ++k) {
    const std::int64_t stop = start + p.in[k].extent(axis);
    back.push_back(p.needed[k]
                       ? sum_like(slice(p.ct, axis, start, stop, 1, p.where), p.in[k], p.where)
                       : Var{});
    start = stop;
  }
  return back;
}

std::string describe_axis(const Attr& attr) {
  return fmt::format("axis={}", attr.as<AxisAttr>().axis);
}

}  // namespace

const OpDef reshape_def{.infer = infer_reshape, .vjp = reshape_vjp, .view = true};
const OpDef stop_gradient_def{.infer = infer_view, .view = true};
const OpDef transpose_def{.infer = infer_transpose,
                          .vjp = transpose_vjp,
                          .kernel = bind_kernel(transpose_call),
                          .flops = no_flops,
                          .describe = describe_transpose};
const OpDef slice_def{.infer = infer_slice,
                      .vjp = slice_vjp,
                      .kernel = bind_kernel(slice_call),
                      .flops = no_flops,
                      .describe = describe_span};
const OpDef pad_def{.infer = infer_pad,
                    .vjp = pad_vjp,
                    .kernel = bind_kernel(pad_call),
                    .flops = no_flops,
                    .describe = describe_span};
const OpDef concat_def{.infer = infer_concat,
                       .vjp = concat_vjp,
                       .kernel = bind_kernel(concat_call),
                       .flops = no_flops,
                       .describe = describe_axis,
                       .broadcasts = Broadcasts::tasks};

Attr slice_attr(std::int64_t axis, std::int64_t extent, std::int64_t start, std::int64_t step,
                std::int64_t count) {
  return Attr::of(SpanAttr{axis, extent, start, step, count});
}

Attr reshape_attr(const Shape& to) {
  ReshapeAttr a{};
  std::ranges::copy(to.extents(), a.extents);
  a.rank = to.rank();
  return Attr::of(a);
}

Var reshape(Var x, std::span<const std::int64_t> extents, Loc where) {
  const Shape to(x.tasks(), extents);
  return to == x.shape() ? x : x.tape->push(OpId::reshape, {x}, reshape_attr(to), where);
}

Var reshape(Var x, std::initializer_list<std::int64_t> extents, Loc where) {
  return reshape(x, std::span(extents.begin(), extents.size()), where);
}

Var stop_gradient(Var x, Loc where) {
  return x.tape->push(OpId::stop_gradient, {x}, Attr(), where);
}

Var transpose(Var x, std::span<const int> permutation, Loc where) {
  TransposeAttr a{};
  a.rank = int(std::min<std::size_t>(permutation.size(), Shape::kMaxRank));
  std::copy_n(permutation.begin(), a.rank, a.permutation);
  return x.tape->push(OpId::transpose, {x}, Attr::of(a), where);
}

Var transpose(Var x, Loc where) {
  if (x.rank() < 2)
    fail_at(where, ErrorKind::shape, "transpose", "{} has fewer than two axes", x.shape().str());
  std::vector<int> permutation(std::size_t(x.rank()));
  std::iota(permutation.begin(), permutation.end(), 0);
  std::swap(permutation[permutation.size() - 1], permutation[permutation.size() - 2]);
  return transpose(x, permutation, where);
}

Var slice(Var x, int axis, std::int64_t start, std::int64_t stop, std::int64_t step, Loc where) {
  axis = checked_axis(axis, x.shape(), "slice", where);
  const std::int64_t count = step < 1 || stop < start ? -1 : (stop - start + step - 1) / step;
  return x.tape->push(OpId::slice, {x}, slice_attr(axis, x.extent(axis), start, step, count),
                      where);
}

Var pad(Var x, int axis, std::int64_t extent, std::int64_t start, std::int64_t step, Loc where) {
  axis = checked_axis(axis, x.shape(), "pad", where);
  const SpanAttr a{axis, extent, start, step, x.extent(axis)};
  return x.tape->push(OpId::pad, {x}, Attr::of(a), where);
}

Var concat(std::span<const Var> parts, int axis, Loc where) {
  if (parts.empty()) fail_at(where, ErrorKind::usage, "concat", "there is nothing to join");
  axis = checked_axis(axis, parts[0].shape(), "concat", where);
  const AxisAttr a{axis};
  return parts[0].tape->push(OpId::concat, {parts.begin(), parts.end()}, Attr::of(a), where);
}

}  // namespace metatape
