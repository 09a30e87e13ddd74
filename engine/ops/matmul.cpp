// Matrix products, batched over tasks and leading axes.

#include "kernels/matmul/matmul.h"

#include "engine/ops/common.h"

namespace metatape {
namespace {

struct FlagsAttr {
  std::int32_t transpose_a, transpose_b;
};

/// Extents of op(a) [M,K] and op(b) [K,N].
struct Extents {
  std::int64_t m, k, k_of_b, n;
};

Extents extents(const Shape& a, const Shape& b, FlagsAttr f) {
  return {f.transpose_a ? a[-1] : a[-2], f.transpose_a ? a[-2] : a[-1],
          f.transpose_b ? b[-1] : b[-2], f.transpose_b ? b[-2] : b[-1]};
}

ValueType infer_matmul(const InferCall& c) {
  const DType dtype = require_same_float(c);
  const Shape &a = c.in[0].shape, &b = c.in[1].shape;
  if (a.rank() < 2 || b.rank() < 2)
    fail_shape(c, "operands {} and {} need two axes at least", a.str(), b.str());
  const auto flags = c.attr.as<FlagsAttr>();
  const Extents e = extents(a, b, flags);
  if (e.k != e.k_of_b)
    fail_shape(c, "{}{} times {}{}: inner extents {} and {} differ", a.str(),
               flags.transpose_a ? "'" : "", b.str(), flags.transpose_b ? "'" : "", e.k, e.k_of_b);
  const Shape leading_a = a.without_last(2).with_tasks(1),
              leading_b = b.without_last(2).with_tasks(1);
  if (a.rank() > 2 && b.rank() > 2 && leading_a != leading_b)
    fail_shape(c, "leading axes of {} and {} differ", a.str(), b.str());
  const Shape& leading = a.rank() >= b.rank() ? leading_a : leading_b;
  return {leading.appended(e.m).appended(e.n).with_tasks(common_tasks(c)), dtype};
}

/// How far apart the matrices of an operand lie when the batch counts tasks x leading axes. Only an
/// operand with neither (one matrix) or both can be walked with one stride.
bool one_stride(const Shape& operand, const Shape& out) {
  const std::int64_t matrices =
      operand.elements() / std::max<std::int64_t>(1, operand[-1] * operand[-2]);
  const std::int64_t batch = out.elements() / std::max<std::int64_t>(1, out[-1] * out[-2]);
  return matrices == 1 || matrices == batch;
}

constexpr auto matmul_call = [](const auto& c) {
  const Shape &a = c.in_types[0].shape, &b = c.in_types[1].shape, &out = c.out_type.shape;
  const auto flags = attribute<FlagsAttr>(c);
  const Extents e = extents(a, b, flags);
  std::int64_t leading = 1;
  for (int axis = 0; axis < out.rank() - 2; ++axis) leading *= out[axis];
  const bool joined = one_stride(a, out) && one_stride(b, out);
  const std::int64_t batch = joined ? out.tasks() * leading : leading;
  const std::int64_t calls = joined ? 1 : out.tasks();
  auto stride = [&](const Shape& s) {
    const std::int64_t matrix = s[-1] * s[-2];
    return (joined ? s.elements() : s.elements_per_task()) == matrix ? 0 : matrix;
  };
  with_float(c, c.out_type.dtype, [&]<class T>() {
    for (std::int64_t t = 0; t < calls; ++t)
      kernels::matmul<T>({.batch = batch,
                          .m = e.m,
                          .n = e.n,
                          .k = e.k,
                          .transpose_a = flags.transpose_a != 0,
                          .transpose_b = flags.transpose_b != 0,
                          .a_stride = stride(a),
                          .b_stride = stride(b),
                          .a = input<T>(c, 0) + t * task_stride(a),
                          .b = input<T>(c, 1) + t * task_stride(b),
                          .c = output<T>(c) + t * batch * e.m * e.n},
                         c.context);
  });
};

double matmul_flops(const PlanCall& c) {
  const Extents e = extents(c.in[0].shape, c.in[1].shape, c.attr.as<FlagsAttr>());
  return 2.0 * double(c.out.shape.elements()) * double(e.k);
}

/// A matrix shared by leading axes collects the sum over them.
Var sum_leading(Var v, Var operand, Loc where) {
  Var total = v;
  while (total.rank() > operand.rank()) {
    const int first[] = {0};
    total = sum_axes(total, first, where);
    total = reshape(total, total.shape().extents().subspan(1), where);
  }
  return sum_like(total, operand, where);
}

Cotangents matmul_vjp(const Pullback& p) {
  const auto f = p.attr.as<FlagsAttr>();
  const Var a = p.in[0], b = p.in[1], y_bar = p.ct;
  Cotangents back(2);
  if (p.needed[0]) {
    const Var a_bar =
        f.transpose_a
            ? matmul(b, y_bar, {.transpose_a = f.transpose_b != 0, .transpose_b = true}, p.where)
            : matmul(y_bar, b, {.transpose_b = f.transpose_b == 0}, p.where);
    back[0] = sum_leading(a_bar, a, p.where);
  }
  if (p.needed[1]) {
    const Var b_bar =
        f.transpose_b
            ? matmul(y_bar, a, {.transpose_a = true, .transpose_b = f.transpose_a != 0}, p.where)
            : matmul(a, y_bar, {.transpose_a = f.transpose_a == 0}, p.where);
    back[1] = sum_leading(b_bar, b, p.where);
  }
  return back;
}

std::string describe_flags(const Attr& attr) {
  const auto f = attr.as<FlagsAttr>();
  return fmt::format("{}{}", f.transpose_a ? "a'" : "a", f.transpose_b ? "b'" : "b");
}

}  // namespace

const OpDef matmul_def{.infer = infer_matmul,
                       .vjp = matmul_vjp,
                       .kernel = bind_kernel(matmul_call),
                       .flops = matmul_flops,
                       .describe = describe_flags,
                       .broadcasts = Broadcasts::tasks};

Var matmul(Var a, Var b, MatmulOptions options, Loc where) {
  const FlagsAttr flags{options.transpose_a, options.transpose_b};
  return a.tape->push(OpId::matmul, {a, b}, Attr::of(flags), where);
}

}  // namespace metatape
