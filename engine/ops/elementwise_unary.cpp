// Elementwise functions of one operand. To add one: a functor in kernels/common/functors.h, a line
// in ops.def, a record and a function here, a declaration in ops.h, a case in the op tests.

#include "engine/ops/common.h"
#include "kernels/elementwise/elementwise.h"

namespace metatape {
namespace {

using kernels::UnaryFunction;

template <UnaryFunction function>
constexpr auto unary_call = [](const auto& c) {
  const auto s = attribute<ElementwiseAttr>(c);
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::unary<T>({.function = function,
                       .scalars = {T(s.alpha), T(s.beta)},
                       .count = c.out_type.shape.elements(),
                       .x = input<T>(c, 0),
                       .y = output<T>(c)},
                      c.context);
  });
};

template <UnaryFunction function>
constexpr OpDef unary(Cotangents (*vjp)(const Pullback&)) {
  return {.infer = infer_same,
          .vjp = vjp,
          .kernel = bind_kernel(unary_call<function>),
          .elementwise = kernels::elementwise(function),
          .may_overwrite = true};
}

double alpha(const Pullback& p) { return p.attr.as<ElementwiseAttr>().alpha; }

std::string describe_scalars(const Attr& attr) {
  const auto s = attr.as<ElementwiseAttr>();
  return fmt::format("{}, {}", s.alpha, s.beta);
}

constexpr OpDef with_scalars(OpDef def) {
  def.describe = describe_scalars;
  return def;
}

Var push(OpId op, Var x, Loc where, ElementwiseAttr s = {}) {
  return x.tape->push(op, {x}, Attr::of(s), where);
}

// ---- cast: the one function whose result has another type ---------------------------------------

struct CastAttr {
  DType to;
};

ValueType infer_cast(const InferCall& c) { return {c.in[0].shape, c.attr.as<CastAttr>().to}; }

Cotangents cast_vjp(const Pullback& p) {
  if (!is_float(p.in[0].dtype())) return {};
  return {cast(p.ct, p.in[0].dtype(), p.where)};
}

constexpr auto cast_call = [](const auto& c) {
  with_any(c, c.in_types[0].dtype, [&]<class From>() {
    with_any(c, c.out_type.dtype, [&]<class To>() {
      kernels::cast<From, To>(input<From>(c, 0), output<To>(c), c.out_type.shape.elements(),
                              c.context);
    });
  });
};

std::string describe_cast(const Attr& attr) { return dtype_name(attr.as<CastAttr>().to); }

}  // namespace

const OpDef affine_def = with_scalars(unary<UnaryFunction::affine>(
    [](const Pullback& p) -> Cotangents { return {affine(p.ct, alpha(p), 0, p.where)}; }));
const OpDef exp_def =
    unary<UnaryFunction::exp_>([](const Pullback& p) -> Cotangents { return {p.ct * p.out}; });
const OpDef expm1_def = unary<UnaryFunction::expm1_>(
    [](const Pullback& p) -> Cotangents { return {p.ct * (p.out + 1.0)}; });
const OpDef log_def =
    unary<UnaryFunction::log_>([](const Pullback& p) -> Cotangents { return {p.ct / p.in[0]}; });
const OpDef sqrt_def = unary<UnaryFunction::sqrt_>(
    [](const Pullback& p) -> Cotangents { return {0.5 * p.ct / p.out}; });
const OpDef rsqrt_def = unary<UnaryFunction::rsqrt_>(
    [](const Pullback& p) -> Cotangents { return {-0.5 * p.ct * (p.out * square(p.out))}; });
const OpDef reciprocal_def = unary<UnaryFunction::reciprocal>(
    [](const Pullback& p) -> Cotangents { return {-(p.ct * square(p.out))}; });
const OpDef square_def = unary<UnaryFunction::square>(
    [](const Pullback& p) -> Cotangents { return {2.0 * p.ct * p.in[0]}; });
const OpDef pow_def = with_scalars(unary<UnaryFunction::pow_>([](const Pullback& p) -> Cotangents {
  return {alpha(p) * p.ct * pow(p.in[0], alpha(p) - 1, p.where)};
}));
const OpDef tanh_def = unary<UnaryFunction::tanh_>(
    [](const Pullback& p) -> Cotangents { return {p.ct * (1.0 - square(p.out))}; });
const OpDef sigmoid_def = unary<UnaryFunction::sigmoid>(
    [](const Pullback& p) -> Cotangents { return {p.ct * (p.out * (1.0 - p.out))}; });
const OpDef softplus_def = unary<UnaryFunction::softplus>(
    [](const Pullback& p) -> Cotangents { return {p.ct * sigmoid(p.in[0], p.where)}; });
const OpDef sin_def = unary<UnaryFunction::sin_>(
    [](const Pullback& p) -> Cotangents { return {p.ct * cos(p.in[0], p.where)}; });
const OpDef cos_def = unary<UnaryFunction::cos_>(
    [](const Pullback& p) -> Cotangents { return {-(p.ct * sin(p.in[0], p.where))}; });
const OpDef abs_def = unary<UnaryFunction::abs_>(
    [](const Pullback& p) -> Cotangents { return {p.ct * sign(p.in[0], p.where)}; });
const OpDef sign_def = unary<UnaryFunction::sign>(nullptr);
const OpDef relu_def = with_scalars(unary<UnaryFunction::relu>(
    [](const Pullback& p) -> Cotangents { return {relu_mask(p.ct, p.in[0], alpha(p), p.where)}; }));
const OpDef cast_def{.infer = infer_cast,
                     .vjp = cast_vjp,
                     .kernel = bind_kernel(cast_call),
                     .describe = describe_cast};

Var affine(Var x, double alpha, double beta, Loc where) {
  if (alpha == 1 && beta == 0) return x;
  return push(OpId::affine, x, where, {alpha, beta});
}
Var exp(Var x, Loc where) { return push(OpId::exp, x, where); }
Var expm1(Var x, Loc where) { return push(OpId::expm1, x, where); }
Var log(Var x, Loc where) { return push(OpId::log, x, where); }
Var sqrt(Var x, Loc where) { return push(OpId::sqrt, x, where); }
Var rsqrt(Var x, Loc where) { return push(OpId::rsqrt, x, where); }
Var reciprocal(Var x, Loc where) { return push(OpId::reciprocal, x, where); }
Var square(Var x, Loc where) { return push(OpId::square, x, where); }
Var pow(Var x, double exponent, Loc where) {
  if (exponent == 0) return fill(*x.tape, x.shape(), 1, x.dtype(), where);
  if (exponent == 1) return x;
  return push(OpId::pow, x, where, {exponent, 0});
}
Var tanh(Var x, Loc where) { return push(OpId::tanh, x, where); }
Var sigmoid(Var x, Loc where) { return push(OpId::sigmoid, x, where); }
Var softplus(Var x, Loc where) { return push(OpId::softplus, x, where); }
Var sin(Var x, Loc where) { return push(OpId::sin, x, where); }
Var cos(Var x, Loc where) { return push(OpId::cos, x, where); }
Var abs(Var x, Loc where) { return push(OpId::abs, x, where); }
Var sign(Var x, Loc where) { return push(OpId::sign, x, where); }
Var relu(Var x, double slope, Loc where) { return push(OpId::relu, x, where, {slope, 0}); }
Var cast(Var x, DType to, Loc where) {
  if (x.dtype() == to) return x;
  CastAttr a{to};
  return x.tape->push(OpId::cast, {x}, Attr::of(a), where);
}

}  // namespace metatape
