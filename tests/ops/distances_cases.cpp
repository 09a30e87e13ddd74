#include <algorithm>
#include <cmath>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

struct Points {
  Shape x, y;
};

const Points kPoints[] = {
    {{1, 1}, {1, 1}},
    {{2, 3}, {5, 3}},
    {per_task(3, {2, 1}), {4, 1}},
    {{3, 2}, per_task(3, {1, 2})},
    {per_task(2, {2, 5}), per_task(2, {3, 5})},
    {{2, 3, 2}, {2, 1, 2}},
    {per_task(2, {2, 2, 3}), per_task(2, {2, 2, 3})},
};

Shape result_of(const Points& p) {
  return p.x.with_extent(-1, p.y[-2]).with_tasks(std::max(p.x.tasks(), p.y.tasks()));
}

double squared_distance(const Tensor& x, const Tensor& y, const Index& at) {
  double total = 0;
  for (std::int64_t d = 0; d < x.shape()[-1]; ++d) {
    Index in_x = at, in_y = at;
    in_x[-1] = in_y[-1] = d;
    in_y[-2] = at[-1];
    const double difference = element(x, in_x) - element(y, in_y);
    total += difference * difference;
  }
  return total;
}

}  // namespace

OpCases distances_cases() {
  OpCases cases;
  for (const Points& p : kPoints) {
    const std::string name = p.x.str() + " and " + p.y.str();
    cases.push_back(
        {.subject = "squared_distances",
         .op = OpId::squared_distances,
         .name = name,
         .operands = {{p.x}, {p.y}},
         .build = [](Tape&, std::span<const Var> x) { return squared_distances(x[0], x[1]); },
         .reference = by_element(result_of(p), [](std::span<const Tensor> x, const Index& at) {
           return squared_distance(x[0], x[1], at);
         })});
    cases.push_back(
        {.subject = "rbf_gram",
         .op = {},
         .name = name,
         .operands = {{p.x, -1, 1}, {p.y, -1, 1}, {{}, 0.2, 1}},
         .build = [](Tape&, std::span<const Var> x) { return rbf_gram(x[0], x[1], x[2]); },
         .reference = by_element(result_of(p), [](std::span<const Tensor> x, const Index& at) {
           return std::exp(-x[2].at(0) * squared_distance(x[0], x[1], at));
         })});
  }
  for (const Shape& shape : {Shape{3, 2}, per_task(3, {2, 3}), per_task(2, {2, 4, 1})}) {
    const Shape square = shape.with_extent(-1, shape[-2]);
    cases.push_back(
        {.subject = "squared_distances",
         .op = OpId::squared_distances,
         .name = shape.str() + " with itself",
         .operands = {{shape}},
         .build = [](Tape&, std::span<const Var> x) { return squared_distances(x[0], x[0]); },
         .reference = by_element(square, [](std::span<const Tensor> x, const Index& at) {
           return squared_distance(x[0], x[0], at);
         })});
    cases.push_back(
        {.subject = "rbf_gram",
         .op = {},
         .name = shape.str() + " with itself",
         .operands = {{shape, -1, 1}},
         .build = [](Tape&, std::span<const Var> x) { return rbf_gram(x[0], x[0], 0.5); },
         .reference = by_element(square, [](std::span<const Tensor> x, const Index& at) {
           return std::exp(-0.5 * squared_distance(x[0], x[0], at));
         })});
  }
  return cases;
}

}  // namespace metatape
