#include <fmt/format.h>

#include <algorithm>

#include "tests/ops/square_matrices.h"

namespace metatape {
namespace {

std::vector<Shape> square_shapes() {
  return {{1, 1},
          {2, 2},
          {7, 7},
          per_task(3, {2, 2}),
          per_task(2, {5, 5}),
          {2, 3, 3},
          per_task(2, {3, 2, 2}),
          per_task(2, {2, 1, 3, 3})};
}

void add_tril(OpCases& cases) {
  for (const Shape& shape : square_shapes())
    for (const double scale : {1.0, 0.5}) {
      cases.push_back(
          {.subject = "tril",
           .op = OpId::tril,
           .name = fmt::format("{} with {} of the diagonal", shape.str(), scale),
           .operands = {{shape}},
           .build = [scale](Tape&, std::span<const Var> x) { return tril(x[0], scale); },
           .reference = by_element(shape,
                                   [scale](std::span<const Tensor> x, const Index& at) {
                                     if (at[-2] < at[-1]) return 0.0;
                                     return (at[-2] == at[-1] ? scale : 1) * element(x[0], at);
                                   }),
           .curvature = Curvature::none});
    }
}

void add_diagonals(OpCases& cases) {
  for (const Shape& shape : square_shapes()) {
    const Shape row = shape.without_last();
    cases.push_back({.subject = "diagonal",
                     .op = {},
                     .name = shape.str(),
                     .operands = {{shape}},
                     .build = [](Tape&, std::span<const Var> x) { return diagonal(x[0]); },
                     .reference = by_element(row,
                                             [row](std::span<const Tensor> x, const Index& at) {
                                               const std::int64_t n = row[-1];
                                               const std::int64_t matrix = place(row, at) / n;
                                               return x[0].at((matrix * n + at[-1]) * n + at[-1]);
                                             }),
                     .curvature = Curvature::none});
    cases.push_back({.subject = "diagonal_matrix",
                     .op = {},
                     .name = row.str(),
                     .operands = {{row}},
                     .build = [](Tape&, std::span<const Var> x) { return diagonal_matrix(x[0]); },
                     .reference = by_element(shape,
                                             [shape](std::span<const Tensor> x, const Index& at) {
                                               return at[-1] == at[-2]
                                                          ? x[0].at(place(shape, at) / shape[-1])
                                                          : 0.0;
                                             }),
                     .curvature = Curvature::none});
  }
}

struct Solve {
  Shape l, b;
};

const Solve kSolves[] = {
    {{1, 1}, {1, 1}},
    {{2, 2}, {2, 3}},
    {{5, 5}, {5, 1}},
    {per_task(3, {2, 2}), {2, 3}},
    {{3, 3}, per_task(3, {3, 2})},
    {per_task(2, {3, 3}), per_task(2, {3, 3})},
    {{2, 3, 3}, per_task(2, {2, 3, 1})},
    {per_task(2, {3, 2, 2}), per_task(2, {3, 2, 1})},
};

/// Substitution, from the first unknown or, for l', from the last. `shift` is on l's diagonal.
Reference substitution(const Solve& s, bool transpose, double shift) {
  return [=](std::span<const Tensor> operands) {
    const std::int64_t tasks = std::max(s.l.tasks(), s.b.tasks()), n = s.l[-1];
    std::vector<double> l_values = over_tasks(operands[0], tasks);
    std::vector<double> x_values = over_tasks(operands[1], tasks);
    for (std::int64_t m = 0; m < matrices_of(s.l.with_tasks(tasks)); ++m) {
      const MatrixView l(l_values, s.l, m), x(x_values, s.b, m);
      auto op_l = [&](std::int64_t i, std::int64_t j) {
        return (transpose ? l(j, i) : l(i, j)) + (i == j ? shift : 0);
      };
      for (std::int64_t c = 0; c < s.b[-1]; ++c)
        for (std::int64_t step = 0; step < n; ++step) {
          const std::int64_t i = transpose ? n - 1 - step : step;
          for (std::int64_t before = 0; before < step; ++before) {
            const std::int64_t j = transpose ? n - 1 - before : before;
            x(i, c) -= op_l(i, j) * x(j, c);
          }
          x(i, c) /= op_l(i, i);
        }
    }
    return x_values;
  };
}

void add_solves(OpCases& cases) {
  constexpr double kShift = 4;  // on the diagonal, where values lie in [-2, 2]
  for (const Solve& s : kSolves)
    for (const bool transpose : {false, true})
      cases.push_back(
          {.subject = "solve_triangular",
           .op = OpId::solve_triangular,
           .name = fmt::format("{}{} x = {}", s.l.str(), transpose ? "'" : "", s.b.str()),
           .operands = {{s.l}, {s.b}},
           .build =
               [=](Tape&, std::span<const Var> x) {
                 return solve_triangular(plus_identity(x[0], kShift), x[1],
                                         {.transpose = transpose});
               },
           .reference = substitution(s, transpose, kShift)});
  cases.push_back({.subject = "solve_triangular",
                   .op = OpId::solve_triangular,
                   .name = "3x[2,2] x = its own transpose",
                   .operands = {{per_task(3, {2, 2})}},
                   .build = [](Tape&, std::span<const Var> x) {
                     const Var l = plus_identity(x[0], kShift);
                     return solve_triangular(l, transpose(l));
                   }});
}

}  // namespace

OpCases triangular_cases() {
  OpCases cases;
  add_tril(cases);
  add_diagonals(cases);
  add_solves(cases);
  return cases;
}

}  // namespace metatape
