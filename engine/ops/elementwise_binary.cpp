// Elementwise functions of two operands whose extents stretch to each other.

#include "engine/ops/common.h"
#include "kernels/elementwise/elementwise.h"

namespace metatape {
namespace {

using kernels::BinaryFunction;

ValueType infer_broadcast(const InferCall& c) {
  const DType dtype = require_same_float(c);
  Shape shape;
  if (!broadcast_shapes(c.in[0].shape, c.in[1].shape, &shape))
    fail_shape(c, "operands {} and {} do not stretch to one shape", c.in[0].shape.str(),
               c.in[1].shape.str());
  return {shape, dtype};
}

template <BinaryFunction function>
constexpr auto binary_call = [](const auto& c) {
  const Shape& out = c.out_type.shape;
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::binary<T>({.function = function,
                        .scalars = {T(attribute<ElementwiseAttr>(c).alpha), T(0)},
                        .loops = loops_of(out),
                        .a_strides = strides_over(c.in_types[0].shape, out),
                        .b_strides = strides_over(c.in_types[1].shape, out),
                        .a = input<T>(c, 0),
                        .b = input<T>(c, 1),
                        .y = output<T>(c)},
                       c.context);
  });
};

template <BinaryFunction function>
constexpr OpDef binary(Cotangents (*vjp)(const Pullback&)) {
  return {.infer = infer_broadcast,
          .vjp = vjp,
          .kernel = bind_kernel(binary_call<function>),
          .broadcasts = Broadcasts::all,
          .elementwise = kernels::elementwise(function),
          .may_overwrite = true};
}

/// <ct, factor> in the shape of an operand: one pass where the operand was stretched.
Var product_like(Var ct, Var factor, Var operand, Loc where) {
  return ct.shape() == operand.shape() ? mul(ct, factor, where)
                                       : sum_product_to(ct, factor, operand.shape(), where);
}

Cotangents add_vjp(const Pullback& p) {
  return {p.needed[0] ? sum_like(p.ct, p.in[0], p.where) : Var{},
          p.needed[1] ? sum_like(p.ct, p.in[1], p.where) : Var{}};
}

Cotangents sub_vjp(const Pullback& p) {
  return {p.needed[0] ? sum_like(p.ct, p.in[0], p.where) : Var{},
          p.needed[1] ? -sum_like(p.ct, p.in[1], p.where) : Var{}};
}

Cotangents mul_vjp(const Pullback& p) {
  return {p.needed[0] ? product_like(p.ct, p.in[1], p.in[0], p.where) : Var{},
          p.needed[1] ? product_like(p.ct, p.in[0], p.in[1], p.where) : Var{}};
}

Cotangents div_vjp(const Pullback& p) {
  const Var a_bar = div(p.ct, p.in[1], p.where);
  return {p.needed[0] ? sum_like(a_bar, p.in[0], p.where) : Var{},
          p.needed[1] ? -product_like(a_bar, p.out, p.in[1], p.where) : Var{}};
}

/// The operand that was chosen gets the cotangent; `a_wins` is 1 where that is a.
Cotangents choice_vjp(const Pullback& p, Var a_wins) {
  return {p.needed[0] ? product_like(p.ct, a_wins, p.in[0], p.where) : Var{},
          p.needed[1] ? product_like(p.ct, 1.0 - a_wins, p.in[1], p.where) : Var{}};
}

Cotangents relu_mask_vjp(const Pullback& p) {
  if (!p.needed[0]) return {};
  const double slope = p.attr.as<ElementwiseAttr>().alpha;
  return {sum_like(relu_mask(p.ct, p.in[1], slope, p.where), p.in[0], p.where)};
}

std::string describe_slope(const Attr& attr) {
  return fmt::format("{}", attr.as<ElementwiseAttr>().alpha);
}

constexpr OpDef with_slope(OpDef def) {
  def.describe = describe_slope;
  return def;
}

Var push(OpId op, Var a, Var b, Loc where, ElementwiseAttr slope = {}) {
  Tape* tape = a ? a.tape : b.tape;
  if (!tape) fail_at(where, ErrorKind::usage, op_name(op), "both operands are empty");
  return tape->push(op, {a, b}, Attr::of(slope), where);
}

}  // namespace

const OpDef add_def = binary<BinaryFunction::add>(add_vjp);
const OpDef sub_def = binary<BinaryFunction::sub>(sub_vjp);
const OpDef mul_def = binary<BinaryFunction::mul>(mul_vjp);
const OpDef div_def = binary<BinaryFunction::div>(div_vjp);
const OpDef maximum_def = binary<BinaryFunction::maximum>([](const Pullback& p) -> Cotangents {
  return choice_vjp(p, greater_equal(p.in[0], p.in[1], p.where));
});
const OpDef minimum_def = binary<BinaryFunction::minimum>([](const Pullback& p) -> Cotangents {
  return choice_vjp(p, greater_equal(p.in[1], p.in[0], p.where));
});
const OpDef greater_def = binary<BinaryFunction::greater>(nullptr);
const OpDef greater_equal_def = binary<BinaryFunction::greater_equal>(nullptr);
const OpDef relu_mask_def = with_slope(binary<BinaryFunction::relu_mask>(relu_mask_vjp));

Var add(Var a, Var b, Loc where) { return push(OpId::add, a, b, where); }
Var sub(Var a, Var b, Loc where) { return push(OpId::sub, a, b, where); }
Var mul(Var a, Var b, Loc where) { return push(OpId::mul, a, b, where); }
Var div(Var a, Var b, Loc where) { return push(OpId::div, a, b, where); }
Var maximum(Var a, Var b, Loc where) { return push(OpId::maximum, a, b, where); }
Var minimum(Var a, Var b, Loc where) { return push(OpId::minimum, a, b, where); }
Var greater(Var a, Var b, Loc where) { return push(OpId::greater, a, b, where); }
Var greater_equal(Var a, Var b, Loc where) { return push(OpId::greater_equal, a, b, where); }
Var relu_mask(Var a, Var x, double slope, Loc where) {
  return push(OpId::relu_mask, a, x, where, {slope});
}

}  // namespace metatape
