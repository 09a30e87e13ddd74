// Triangles and diagonals of square matrices, and solves with triangular ones.

#include "engine/ops/common.h"
#include "engine/status.h"
#include "kernels/triangular_solve/triangular_solve.h"
#include "kernels/tril/tril.h"

namespace metatape {
namespace {

// ---- tril: linear, and its own adjoint ---------------------------------------------------------

struct TrilAttr {
  double diagonal_scale;
};

double diagonal_scale(const Attr& attr) { return attr.as<TrilAttr>().diagonal_scale; }

ValueType infer_tril(const InferCall& c) {
  const DType dtype = require_same_float(c);
  require_square(c, 0);
  return {c.in[0].shape, dtype};
}

constexpr auto tril_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::tril<T>({.batch = matrix_count(c.out_type.shape),
                      .n = c.out_type.shape[-1],
                      .diagonal_scale = T(diagonal_scale(c.attr)),
                      .x = input<T>(c, 0),
                      .y = output<T>(c)},
                     c.context);
  });
};

Cotangents tril_vjp(const Pullback& p) { return {tril(p.ct, diagonal_scale(p.attr), p.where)}; }

std::string describe_tril(const Attr& attr) {
  return fmt::format("diagonal_scale={}", diagonal_scale(attr));
}

// ---- solve_triangular: operands l, b -----------------------------------------------------------

struct SolveAttr {
  std::int64_t transpose;
};

bool is_transposed(const Attr& attr) { return attr.as<SolveAttr>().transpose != 0; }

ValueType infer_solve(const InferCall& c) {
  const DType dtype = require_same_float(c);
  require_square(c, 0);
  const Shape &l = c.in[0].shape, &b = c.in[1].shape;
  if (b.rank() != l.rank() || b.with_extent(-1, l[-1]).with_tasks(1) != l.with_tasks(1))
    fail_shape(c, "l {} and b {}: expected [...,n,n] and [...,n,k] with equal leading axes",
               l.str(), b.str());
  return {b.with_tasks(common_tasks(c)), dtype};
}

constexpr auto solve_call = [](const auto& c) {
  const Shape &l = c.in_types[0].shape, &b = c.in_types[1].shape;
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::triangular_solve<T>({.tasks = c.out_type.shape.tasks(),
                                  .matrices = matrix_count(l.with_tasks(1)),
                                  .n = b[-2],
                                  .k = b[-1],
                                  .transpose = is_transposed(c.attr),
                                  .l_task_stride = task_stride(l),
                                  .b_task_stride = task_stride(b),
                                  .l = input<T>(c, 0),
                                  .b = input<T>(c, 1),
                                  .x = output<T>(c)},
                                 c.context);
  });
};

// op(l) x = b: differentiating gives op(l) dx = db - op(dl) x.
Cotangents solve_vjp(const Pullback& p) {
  const bool transpose = is_transposed(p.attr);
  const Var l = p.in[0], b = p.in[1], x = p.out;
  const Var b_bar = solve_triangular(l, p.ct, {.transpose = !transpose}, p.where);
  Cotangents back(2);
  if (p.needed[0]) {
    const Var product = transpose ? matmul(x, b_bar, {.transpose_b = true}, p.where)
                                  : matmul(b_bar, x, {.transpose_b = true}, p.where);
    back[0] = sum_like(affine(tril(product, 1, p.where), -1, 0, p.where), l, p.where);
  }
  if (p.needed[1]) back[1] = sum_like(b_bar, b, p.where);
  return back;
}

double solve_flops(const PlanCall& c) {
  return double(c.out.shape.elements()) * double(c.out.shape[-2]);
}

std::string describe_solve(const Attr& attr) { return is_transposed(attr) ? "l'" : "l"; }

}  // namespace

const OpDef tril_def{.infer = infer_tril,
                     .vjp = tril_vjp,
                     .kernel = bind_kernel(tril_call),
                     .describe = describe_tril,
                     .may_overwrite = true};
const OpDef solve_triangular_def{.infer = infer_solve,
                                 .vjp = solve_vjp,
                                 .kernel = bind_kernel(solve_call),
                                 .flops = solve_flops,
                                 .describe = describe_solve,
                                 .broadcasts = Broadcasts::tasks};

Var tril(Var x, double diagonal_scale, Loc where) {
  return x.tape->push(OpId::tril, {x}, Attr::of(TrilAttr{diagonal_scale}), where);
}

Var solve_triangular(Var l, Var b, SolveTriangularOptions options, Loc where) {
  return l.tape->push(OpId::solve_triangular, {l, b}, Attr::of(SolveAttr{options.transpose}),
                      where);
}

// In a matrix that is laid out as one row the diagonal is every (n + 1)-th element.
Var diagonal(Var x, Loc where) {
  const std::int64_t n = x.rank() < 2 ? -1 : x.extent(-1);
  if (n < 0 || x.extent(-2) != n)
    fail_at(where, ErrorKind::shape, "diagonal", "{}: expected [...,n,n]", x.shape().str());
  const Shape row = x.shape().without_last(2).appended(n * n);
  return slice(reshape(x, row.extents(), where), -1, 0, n * n, n + 1, where);
}

Var diagonal_matrix(Var d, Loc where) {
  if (d.rank() < 1)
    fail_at(where, ErrorKind::shape, "diagonal_matrix", "{}: expected [...,n]", d.shape().str());
  const std::int64_t n = d.extent(-1);
  return reshape(pad(d, -1, n * n, 0, n + 1, where), d.shape().appended(n).extents(), where);
}

}  // namespace metatape
