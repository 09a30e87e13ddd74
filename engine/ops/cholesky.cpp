// Cholesky factors, and what is computed with them.

#include "kernels/cholesky/cholesky.h"

#include "engine/ops/common.h"
#include "engine/status.h"

namespace metatape {
namespace {

struct CholeskyAttr {
  std::int64_t jitter_tries;
};

ValueType infer_cholesky(const InferCall& c) {
  const DType dtype = require_same_float(c);
  require_square(c, 0);
  return {c.in[0].shape, dtype};
}

constexpr auto cholesky_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::cholesky<T>({.batch = matrix_count(c.out_type.shape),
                          .n = c.out_type.shape[-1],
                          .jitter_tries = int(attribute<CholeskyAttr>(c).jitter_tries),
                          .a = input<T>(c, 0),
                          .l = output<T>(c),
                          .status = c.status},
                         c.context);
  });
};

// Murray 2016, arXiv:1602.07527. A solve takes its matrix from the left only, so what comes out is
// S' = l'^-1 (l'^-1 phi)'; only S + S' is wanted.
Cotangents cholesky_vjp(const Pullback& p) {
  const Var l = p.out;
  const Var phi = tril(matmul(l, p.ct, {.transpose_a = true}, p.where), 0.5, p.where);
  const Var left = solve_triangular(l, phi, {.transpose = true}, p.where);
  const Var s = solve_triangular(l, transpose(left, p.where), {.transpose = true}, p.where);
  return {affine(add(s, transpose(s, p.where), p.where), 0.5, 0, p.where)};
}

double cholesky_flops(const PlanCall& c) {
  const double n = double(c.out.shape[-1]);
  return double(c.out.shape.elements()) * n / 3;
}

std::string describe_cholesky(const Attr& attr) {
  return fmt::format("jitter_tries={}", attr.as<CholeskyAttr>().jitter_tries);
}

}  // namespace

const OpDef cholesky_def{.infer = infer_cholesky,
                         .vjp = cholesky_vjp,
                         .kernel = bind_kernel(cholesky_call),
                         .flops = cholesky_flops,
                         .describe = describe_cholesky,
                         .may_fail = true};

Var cholesky(Var a, CholeskyOptions options, Loc where) {
  if (options.jitter_tries < 0)
    fail_at(where, ErrorKind::usage, "cholesky", "jitter_tries is {}, expected 0 or more",
            options.jitter_tries);
  return a.tape->push(OpId::cholesky, {a}, Attr::of(CholeskyAttr{options.jitter_tries}), where);
}

Var solve_positive_definite(Var a, Var b, CholeskyOptions options, Loc where) {
  const Var l = cholesky(a, options, where);
  return solve_triangular(l, solve_triangular(l, b, {}, where), {.transpose = true}, where);
}

Var logdet(Var a, CholeskyOptions options, Loc where) {
  const Var logs = log(diagonal(cholesky(a, options, where), where), where);
  const int last[] = {-1};
  const Var total = affine(sum_axes(logs, last, where), 2, 0, where);
  return reshape(total, a.shape().without_last(2).extents(), where);
}

}  // namespace metatape
