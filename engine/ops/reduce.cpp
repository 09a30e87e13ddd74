// Sums and stretching: sum_to and broadcast_to are each other's adjoints.

#include <algorithm>
#include <vector>

#include "engine/ops/attributes.h"
#include "engine/ops/common.h"
#include "kernels/copy/copy.h"
#include "kernels/reduce/reduce.h"

namespace metatape {
namespace {

/// A target shape in 48 bytes.
struct ShapeAttr {
  std::int64_t tasks;
  std::int32_t extents[Shape::kMaxRank];
  std::int32_t rank;
};

ShapeAttr pack(const Shape& s, const char* op, Loc where) {
  ShapeAttr a;
  std::memset(&a, 0, sizeof a);
  a.tasks = s.tasks();
  a.rank = s.rank();
  for (int axis = 0; axis < s.rank(); ++axis) {
    if (s[axis] > INT32_MAX)
      fail_at(where, ErrorKind::shape, op, "extent {} of {} is beyond 2^31", s[axis], s.str());
    a.extents[axis] = std::int32_t(s[axis]);
  }
  return a;
}

Shape unpack(const Attr& attr) {
  const auto a = attr.as<ShapeAttr>();
  std::vector<std::int64_t> extents(a.extents, a.extents + a.rank);
  return Shape(a.tasks, extents);
}

std::string describe_shape(const Attr& attr) { return unpack(attr).str(); }

ValueType infer_sum(const InferCall& c) {
  const DType dtype = require_same_float(c);
  Shape from = c.in[0].shape;
  if (c.in.size() == 2 && !broadcast_shapes(c.in[0].shape, c.in[1].shape, &from))
    fail_shape(c, "operands {} and {} do not stretch to one shape", c.in[0].shape.str(),
               c.in[1].shape.str());
  const Shape to = unpack(c.attr);
  if (!broadcasts_to(to, from))
    fail_shape(c, "{} cannot be summed to {}: it does not stretch back", from.str(), to.str());
  return {to, dtype};
}

/// The common shape of the operands, as loops, and which of them the result does not have.
struct Reduction {
  Shape from;
  kernels::LoopNest loops;
  unsigned reduced = 0;
};

Reduction reduction(std::span<const ValueType> in, const Shape& to) {
  Reduction r{.from = in[0].shape, .loops = {}};
  if (in.size() == 2) broadcast_shapes(in[0].shape, in[1].shape, &r.from);
  r.loops = loops_of(r.from);
  r.reduced = reduced_loops(r.from, to);
  return r;
}

constexpr auto sum_call = [](const auto& c) {
  const Reduction r = reduction(c.in_types, c.out_type.shape);
  const bool product = c.in.size() == 2;
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::sum<T>(
        {.loops = r.loops,
         .reduced = r.reduced,
         .a_strides = strides_over(c.in_types[0].shape, r.from),
         .b_strides = product ? strides_over(c.in_types[1].shape, r.from) : kernels::Extents{},
         .a = input<T>(c, 0),
         .b = product ? input<T>(c, 1) : nullptr,
         .y = output<T>(c),
         .workspace = workspace<T>(c)},
        c.context);
  });
};

constexpr auto sum_workspace = [](const PlanCall& c, const auto& context) {
  const Reduction r = reduction(c.in, c.out.shape);
  return std::size_t(kernels::sum_workspace_elements(r.loops, r.reduced, context)) *
         dtype_bytes(c.out.dtype);
};

double sum_flops(const PlanCall& c) {
  return double(reduction(c.in, c.out.shape).from.elements()) * double(c.in.size());
}

Cotangents sum_to_vjp(const Pullback& p) { return {broadcast_to(p.ct, p.in[0].shape(), p.where)}; }

Cotangents sum_product_to_vjp(const Pullback& p) {
  if (p.in[0].id == p.in[1].id)  // a sum of squares: one product instead of two and their sum
    return {sum_product_to(affine(p.ct, 2, 0, p.where), p.in[0], p.in[0].shape(), p.where), Var{}};
  auto side = [&](int k, Var other) {
    return p.needed[std::size_t(k)]
               ? sum_product_to(p.ct, other, p.in[std::size_t(k)].shape(), p.where)
               : Var{};
  };
  return {side(0, p.in[1]), side(1, p.in[0])};
}

/// What a product can be summed to on its way to `shape`: only axes that both have, each with its
/// extent in `shape` unless the product has one element there.
Shape common_axes(const Shape& product, const Shape& shape) {
  Shape target = product.rank() < shape.rank() ? product : shape;
  target = target.with_tasks(std::min(product.tasks(), shape.tasks()));
  for (int back = 1; back <= target.rank(); ++back)
    target = target.with_extent(-back, product[-back] == 1 ? 1 : shape[-back]);
  return target;
}

ValueType infer_broadcast_to(const InferCall& c) {
  const Shape to = unpack(c.attr);
  if (!broadcasts_to(c.in[0].shape, to))
    fail_shape(c, "{} does not stretch to {}", c.in[0].shape.str(), to.str());
  return {to, c.in[0].dtype};
}

constexpr auto broadcast_call = [](const auto& c) {
  const Shape& to = c.out_type.shape;
  with_any(c, c.out_type.dtype, [&]<class T>() {
    kernels::copy<T>({.loops = loops_of(to),
                      .x_strides = strides_over(c.in_types[0].shape, to),
                      .y_strides = strides_over(to, to),
                      .x = input<T>(c, 0),
                      .y = output<T>(c)},
                     c.context);
  });
};

Cotangents broadcast_to_vjp(const Pullback& p) { return {sum_to(p.ct, p.in[0].shape(), p.where)}; }

double no_flops(const PlanCall&) { return 0; }

}  // namespace

const OpDef sum_to_def{.infer = infer_sum,
                       .vjp = sum_to_vjp,
                       .kernel = bind_kernel(sum_call),
                       .workspace = bind_workspace(sum_workspace),
                       .flops = sum_flops,
                       .describe = describe_shape};
const OpDef sum_product_to_def{.infer = infer_sum,
                               .vjp = sum_product_to_vjp,
                               .kernel = bind_kernel(sum_call),
                               .workspace = bind_workspace(sum_workspace),
                               .flops = sum_flops,
                               .describe = describe_shape,
                               .broadcasts = Broadcasts::all};
const OpDef broadcast_to_def{.infer = infer_broadcast_to,
                             .vjp = broadcast_to_vjp,
                             .kernel = bind_kernel(broadcast_call),
                             .flops = no_flops,
                             .describe = describe_shape,
                             .broadcasts = Broadcasts::all};

Attr sum_attr(const Shape& to) { return Attr::of(pack(to, "sum_to", Loc::current())); }

Var sum_to(Var x, const Shape& shape, Loc where) {
  if (x.shape() == shape) return x;
  return x.tape->push(OpId::sum_to, {x}, Attr::of(pack(shape, "sum_to", where)), where);
}

Var sum_product_to(Var a, Var b, const Shape& shape, Loc where) {
  Shape product, both;
  if (!broadcast_shapes(a.shape(), b.shape(), &product) || !broadcast_shapes(product, shape, &both))
    fail_at(where, ErrorKind::shape, "sum_product_to", "{} times {} cannot be summed to {}",
            a.shape().str(), b.shape().str(), shape.str());
  // An axis that neither operand has is repeated after the sum, not summed over.
  const Shape target = common_axes(product, shape);
  const Var total = target == product
                        ? mul(a, b, where)
                        : a.tape->push(OpId::sum_product_to, {a, b},
                                       Attr::of(pack(target, "sum_product_to", where)), where);
  return broadcast_to(total, shape, where);
}

Var broadcast_to(Var x, const Shape& shape, Loc where) {
  if (x.shape() == shape) return x;
  return x.tape->push(OpId::broadcast_to, {x}, Attr::of(pack(shape, "broadcast_to", where)), where);
}

Var sum(Var x, Loc where) { return sum_to(x, Shape().with_tasks(x.tasks()), where); }

Var mean(Var x, Loc where) {
  return affine(sum(x, where), 1.0 / double(x.shape().elements_per_task()), 0, where);
}

Var sum_axes(Var x, std::span<const int> axes, Loc where) {
  Shape shape = x.shape();
  for (int axis : axes)
    shape = shape.with_extent(checked_axis(axis, x.shape(), "sum_axes", where), 1);
  return sum_to(x, shape, where);
}

Var mean_axes(Var x, std::span<const int> axes, Loc where) {
  const Var total = sum_axes(x, axes, where);
  const double count = double(x.shape().elements()) / double(total.shape().elements());
  return affine(total, 1.0 / count, 0, where);
}

Var sum_tasks(Var x, Loc where) { return sum_to(x, x.shape().with_tasks(1), where); }

Var mean_tasks(Var x, Loc where) {
  return affine(sum_tasks(x, where), 1.0 / double(x.tasks()), 0, where);
}

Var broadcast_tasks(Var x, std::int64_t tasks, Loc where) {
  return broadcast_to(x, x.shape().with_tasks(tasks), where);
}

Var dot(Var a, Var b, Loc where) {
  const std::int64_t tasks = std::max(a.tasks(), b.tasks());
  return sum_product_to(a, b, Shape().with_tasks(tasks), where);
}

}  // namespace metatape
