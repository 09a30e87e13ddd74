#include <cmath>

#include "tests/ops/square_matrices.h"

namespace metatape {
namespace {

/// Above the sum of a row of n values in [-1, 1].
double shift_of(const Shape& s) { return 1 + double(s[-1]); }

Operand small(const Shape& shape) { return {shape, -1, 1}; }

std::vector<double> factors_of(const Tensor& x) {
  const Shape& shape = x.shape();
  const std::int64_t n = shape[-1];
  std::vector<double> a = x.values(), l(a.size(), 0.0);
  for (std::int64_t m = 0; m < matrices_of(shape); ++m) {
    const MatrixView matrix(a, shape, m);
    for (std::int64_t i = 0; i < n; ++i) matrix(i, i) += shift_of(shape);
    factor(matrix, n, MatrixView(l, shape, m));
  }
  return l;
}

// The operands are not symmetric: the operation is defined on them all the same, so differences in
// any direction are allowed.
void add_cholesky(OpCases& cases) {
  const Shape shapes[] = {{1, 1},
                          {2, 2},
                          {3, 3},
                          {7, 7},
                          per_task(3, {2, 2}),
                          per_task(3, {1, 1}),
                          per_task(2, {5, 5}),
                          {2, 3, 3},
                          per_task(2, {3, 2, 2})};
  for (const Shape& shape : shapes)
    cases.push_back({.subject = "cholesky",
                     .op = OpId::cholesky,
                     .name = shape.str(),
                     .operands = {small(shape)},
                     .build =
                         [shape](Tape&, std::span<const Var> x) {
                           return cholesky(plus_identity(x[0], shift_of(shape)));
                         },
                     .reference = [](std::span<const Tensor> x) { return factors_of(x[0]); }});
  cases.push_back({.subject = "cholesky",
                   .op = OpId::cholesky,
                   .name = "b b' + 1 of 3x[4,2]",
                   .operands = {{per_task(3, {4, 2})}},
                   .build = [](Tape&, std::span<const Var> x) {
                     return cholesky(plus_identity(matmul(x[0], x[0], {.transpose_b = true}), 1));
                   }});
  cases.push_back({.subject = "cholesky",
                   .op = OpId::cholesky,
                   .name = "one matrix scaled by each of 3 tasks",
                   .operands = {small({3, 3}), {per_task(3, {})}},
                   .build = [](Tape&, std::span<const Var> x) {
                     return cholesky(plus_identity(x[0], 4) * exp(x[1]));
                   }});
}

void add_solves(OpCases& cases) {
  const std::pair<Shape, Shape> solves[] = {{{1, 1}, {1, 3}},
                                            {{3, 3}, {3, 2}},
                                            {per_task(3, {2, 2}), {2, 1}},
                                            {{4, 4}, per_task(2, {4, 3})},
                                            {per_task(2, {2, 3, 3}), per_task(2, {2, 3, 1})}};
  for (const auto& [a, b] : solves)
    cases.push_back({.subject = "solve_positive_definite",
                     .op = {},
                     .name = a.str() + " x = " + b.str(),
                     .operands = {small(a), {b}},
                     .build = [a = a](Tape&, std::span<const Var> x) {
                       return solve_positive_definite(plus_identity(x[0], shift_of(a)), x[1]);
                     }});
}

void add_log_determinants(OpCases& cases) {
  for (const Shape& shape : {Shape{1, 1}, Shape{4, 4}, per_task(3, {2, 2}), per_task(2, {2, 3, 3})})
    cases.push_back({.subject = "logdet",
                     .op = {},
                     .name = shape.str(),
                     .operands = {small(shape)},
                     .build =
                         [shape](Tape&, std::span<const Var> x) {
                           return logdet(plus_identity(x[0], shift_of(shape)));
                         },
                     .reference =
                         [](std::span<const Tensor> x) {
                           std::vector<double> l = factors_of(x[0]), result;
                           const Shape& shape = x[0].shape();
                           for (std::int64_t m = 0; m < matrices_of(shape); ++m) {
                             const MatrixView factor(l, shape, m);
                             double total = 0;
                             for (std::int64_t i = 0; i < shape[-1]; ++i)
                               total += 2 * std::log(factor(i, i));
                             result.push_back(total);
                           }
                           return result;
                         }});
}

}  // namespace

OpCases cholesky_cases() {
  OpCases cases;
  add_cholesky(cases);
  add_solves(cases);
  add_log_determinants(cases);
  return cases;
}

}  // namespace metatape
