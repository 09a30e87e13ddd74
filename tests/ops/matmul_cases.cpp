#include <fmt/format.h>

#include <algorithm>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

struct Product {
  Shape a, b;  ///< op(a) [...,M,K], op(b) [...,K,N]
};

const Product kProducts[] = {
    {{1, 1}, {1, 1}},
    {{2, 7}, {7, 3}},
    {per_task(3, {2, 5}), {5, 3}},
    {{2, 5}, per_task(3, {5, 3})},
    {per_task(3, {1, 5}), per_task(3, {5, 1})},
    {{2, 3, 4}, {2, 4, 5}},
    {{3, 2, 4}, {4, 5}},
    {{2, 4}, {3, 4, 1}},
    {per_task(2, {3, 2, 4}), {3, 4, 5}},
    {per_task(2, {2, 4}), {3, 4, 5}},
    {{3, 2, 4}, per_task(2, {4, 5})},
    {per_task(3, {3, 2, 4}), {4, 2}},
    {{2, 2, 1, 3}, per_task(2, {2, 2, 3, 2})},
};

Shape with_last_two_swapped(const Shape& s) {
  return s.with_extent(-1, s[-2]).with_extent(-2, s[-1]);
}

Shape result_of(const Product& p) {
  const Shape& longer = p.a.rank() >= p.b.rank() ? p.a : p.b;
  return longer.with_extent(-2, p.a[-2])
      .with_extent(-1, p.b[-1])
      .with_tasks(std::max(p.a.tasks(), p.b.tasks()));
}

/// sum_k op(a)[...,m,k] op(b)[...,k,n]
Reference reference_of(const Product& p, MatmulOptions o) {
  return by_element(result_of(p), [=](std::span<const Tensor> x, const Index& at) {
    double total = 0;
    for (std::int64_t k = 0; k < p.a[-1]; ++k) {
      Index in_a = at, in_b = at;
      in_a[o.transpose_a ? -2 : -1] = k;
      in_a[o.transpose_a ? -1 : -2] = at[-2];
      in_b[o.transpose_b ? -1 : -2] = k;
      in_b[o.transpose_b ? -2 : -1] = at[-1];
      total += element(x[0], in_a) * element(x[1], in_b);
    }
    return total;
  });
}

}  // namespace

OpCases matmul_cases() {
  OpCases cases;
  for (const Product& p : kProducts)
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true}) {
        const MatmulOptions o{transpose_a, transpose_b};
        const Shape a = transpose_a ? with_last_two_swapped(p.a) : p.a;
        const Shape b = transpose_b ? with_last_two_swapped(p.b) : p.b;
        cases.push_back(
            {.subject = "matmul",
             .op = OpId::matmul,
             .name = fmt::format("{}{} times {}{}", a.str(), transpose_a ? "'" : "", b.str(),
                                 transpose_b ? "'" : ""),
             .operands = {{a}, {b}},
             .build = [o](Tape&, std::span<const Var> x) { return matmul(x[0], x[1], o); },
             .reference = reference_of(p, o)});
      }
  cases.push_back({.subject = "matmul",
                   .op = OpId::matmul,
                   .name = "3x[2,2] times its own transpose",
                   .operands = {{per_task(3, {2, 2})}},
                   .build = [](Tape&, std::span<const Var> x) {
                     return matmul(x[0], x[0], {.transpose_b = true});
                   }});
  return cases;
}

}  // namespace metatape
