#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/params.h"
#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

/// A small shape and one that it stretches to.
const std::pair<Shape, Shape> kStretches[] = {
    {{}, {7}},
    {{1}, {5}},
    {{}, per_task(3, {})},
    {{5}, per_task(3, {5})},
    {per_task(3, {}), per_task(3, {5})},
    {{1, 3}, per_task(2, {2, 3})},
    {{3}, per_task(2, {2, 3})},
    {per_task(2, {2, 1, 3, 1}), per_task(2, {2, 7, 3, 5})},
    {{1, 1, 1, 4}, per_task(3, {2, 3, 2, 4})},
    {per_task(2, {1, 5, 1}), per_task(2, {13, 5, 1})},
};

/// sum_j a_j b_j over all that a result of `shape` does not tell apart.
Reference sum_of_products(const Shape& a, const Shape& b, const Shape& shape) {
  return [=](std::span<const Tensor> x) {
    Shape product;
    broadcast_shapes(a, b, &product);
    auto agree = [&](const Index& at, const Index& p) {
      if (shape.tasks() > 1 && product.tasks() > 1 && at.task() != p.task()) return false;
      for (int back = 1; back <= std::min(at.rank, p.rank); ++back)
        if (shape[-back] > 1 && product[-back] > 1 && at[-back] != p[-back]) return false;
      return true;
    };
    std::vector<double> y;
    for (const Index& at : indices_of(shape)) {
      double total = 0;
      for (const Index& p : indices_of(product))
        if (agree(at, p)) total += element(x[0], p) * element(x[x.size() - 1], p);
      y.push_back(total);
    }
    return y;
  };
}

/// The same without the second factor.
Reference sum_of(const Shape& from, const Shape& to) {
  return [=](std::span<const Tensor> x) {
    std::vector<double> y(std::size_t(to.elements()), 0.0);
    for (const Index& at : indices_of(from)) y[std::size_t(place(to, at))] += element(x[0], at);
    return y;
  };
}

OpCase sum_product_case(const Shape& a, const Shape& b, const Shape& to) {
  return {.subject = "sum_product_to",
          .op = OpId::sum_product_to,
          .name = fmt::format("{} times {} to {}", a.str(), b.str(), to.str()),
          .operands = {{a}, {b}},
          .build = [to](Tape&, std::span<const Var> x) { return sum_product_to(x[0], x[1], to); },
          .reference = sum_of_products(a, b, to)};
}

OpCase sum_case(const char* subject, const Shape& from, const Shape& to, double scale,
                Var (*build)(Var)) {
  return {.subject = subject,
          .op = {},
          .name = from.str(),
          .operands = {{from}},
          .build = [build](Tape&, std::span<const Var> x) { return build(x[0]); },
          .reference =
              [=](std::span<const Tensor> x) {
                std::vector<double> y = sum_of(from, to)(x);
                for (double& value : y) value *= scale;
                return y;
              },
          .curvature = Curvature::none};
}

ParamSet pair_of(Var first, Var second) {
  ParamSet set;
  set.add("first", "body", first);
  set.add("second", "head", second);
  return set;
}

void add_sums_of_one(OpCases& cases) {
  constexpr auto all = [](Var x) { return sum(x); };
  constexpr auto mean_of_all = [](Var x) { return mean(x); };
  for (const Shape& s : sample_shapes()) {
    const Shape each = Shape().with_tasks(s.tasks()), shared = s.with_tasks(1);
    const double count = double(s.elements_per_task()), tasks = double(s.tasks());
    cases.push_back(sum_case("sum", s, each, 1, all));
    cases.push_back(sum_case("mean", s, each, 1 / count, mean_of_all));
    cases.push_back(sum_case("sum_tasks", s, shared, 1, [](Var x) { return sum_tasks(x); }));
    cases.push_back(
        sum_case("mean_tasks", s, shared, 1 / tasks, [](Var x) { return mean_tasks(x); }));
  }
  const Shape images = per_task(2, {3, 2, 5, 4});
  cases.push_back(sum_case("sum_axes", images, per_task(2, {1, 2, 1, 4}), 1, [](Var x) {
    const int axes[] = {0, -2};
    return sum_axes(x, axes);
  }));
  cases.push_back(sum_case("mean_axes", images, per_task(2, {3, 1, 1, 4}), 1.0 / 10, [](Var x) {
    const int axes[] = {1, 2};
    return mean_axes(x, axes);
  }));
}

void add_sums_of_products(OpCases& cases) {
  const Shape images = per_task(2, {3, 2, 5, 4});
  cases.push_back(sum_product_case({7}, {7}, {}));
  cases.push_back(sum_product_case({1}, {1, 1}, {}));
  cases.push_back(sum_product_case(per_task(3, {5}), {5}, per_task(3, {})));
  cases.push_back(sum_product_case({5}, per_task(3, {5}), {}));
  cases.push_back(sum_product_case({2, 3}, {3}, {}));
  cases.push_back(sum_product_case({3}, {2, 3}, {3}));
  cases.push_back(sum_product_case({3}, {2, 3}, {2, 1}));
  cases.push_back(sum_product_case(per_task(2, {2, 1}), {1, 3}, {1, 3}));
  cases.push_back(sum_product_case(per_task(3, {2}), per_task(3, {2}), {2}));
  cases.push_back(sum_product_case(images, images, per_task(2, {1, 1, 1, 4})));
  cases.push_back(sum_product_case(images, {4}, {1, 2, 1, 1}));
  cases.push_back(sum_product_case({3}, {3}, {2, 1}));           // repeated along a new axis
  cases.push_back(sum_product_case({3}, {3}, per_task(2, {})));  // and for each task
  for (const Shape& shape : {Shape{7}, per_task(3, {2, 5})})
    cases.push_back(
        {.subject = "sum_product_to",
         .op = OpId::sum_product_to,
         .name = shape.str() + " with itself",
         .operands = {{shape}},
         .build = [](Tape&, std::span<const Var> x) { return sum_product_to(x[0], x[0], {}); },
         .reference = sum_of_products(shape, shape, {})});
  for (const auto& [a, b] : {std::pair<Shape, Shape>{{7}, {7}},
                             {per_task(3, {2, 3}), {2, 3}},
                             {{2, 3}, per_task(2, {3})},
                             {per_task(3, {}), per_task(3, {})}})
    cases.push_back(
        {.subject = "dot",
         .op = {},
         .name = fmt::format("{} and {}", a.str(), b.str()),
         .operands = {{a}, {b}},
         .build = [](Tape&, std::span<const Var> x) { return dot(x[0], x[1]); },
         .reference = sum_of_products(a, b, Shape().with_tasks(std::max(a.tasks(), b.tasks())))});
}

void add_parameter_sets(OpCases& cases) {
  for (std::int64_t tasks : {1, 3}) {
    const Shape w = per_task(tasks, {2, 3}), b = per_task(tasks, {5});
    auto total = [=](std::span<const Tensor> x, std::size_t other) {
      const Shape scalar = Shape().with_tasks(tasks);
      const Tensor of_w[] = {x[0], x[other]}, of_b[] = {x[1], x[other + 1]};
      std::vector<double> y = sum_of_products(w, w, scalar)(of_w);
      const std::vector<double> more = sum_of_products(b, b, scalar)(of_b);
      for (std::size_t t = 0; t < y.size(); ++t) y[t] += more[t];
      return y;
    };
    cases.push_back({.subject = "dot of parameters",
                     .op = {},
                     .name = w.str(),
                     .operands = {{w}, {b}, {w}, {b}},
                     .build =
                         [](Tape&, std::span<const Var> x) {
                           return dot(pair_of(x[0], x[1]), pair_of(x[2], x[3]));
                         },
                     .reference = [=](std::span<const Tensor> x) { return total(x, 2); }});
    cases.push_back(
        {.subject = "norm of parameters",
         .op = {},
         .name = w.str(),
         .operands = {{w}, {b}},
         .build = [](Tape&, std::span<const Var> x) { return norm(pair_of(x[0], x[1])); },
         .reference =
             [=](std::span<const Tensor> x) {
               std::vector<double> y = total(x, 0);
               for (double& value : y) value = std::sqrt(value);
               return y;
             }});
  }
}

}  // namespace

OpCases reduce_cases() {
  OpCases cases;
  for (const auto& [small, large] : kStretches) {
    cases.push_back(
        {.subject = "sum_to",
         .op = OpId::sum_to,
         .name = fmt::format("{} to {}", large.str(), small.str()),
         .operands = {{large}},
         .build = [to = small](Tape&, std::span<const Var> x) { return sum_to(x[0], to); },
         .reference = sum_of(large, small),
         .curvature = Curvature::none});
    cases.push_back(
        {.subject = "broadcast_to",
         .op = OpId::broadcast_to,
         .name = fmt::format("{} to {}", small.str(), large.str()),
         .operands = {{small}},
         .build = [to = large](Tape&, std::span<const Var> x) { return broadcast_to(x[0], to); },
         .reference = by_element(
             large, [](std::span<const Tensor> x, const Index& at) { return element(x[0], at); }),
         .curvature = Curvature::none});
  }
  cases.push_back({.subject = "broadcast_tasks",
                   .op = OpId::broadcast_to,
                   .name = "[2,3] to 3 tasks",
                   .operands = {{{2, 3}}},
                   .build = [](Tape&, std::span<const Var> x) { return broadcast_tasks(x[0], 3); },
                   .reference = by_element(per_task(3, {2, 3}),
                                           [](std::span<const Tensor> x, const Index& at) {
                                             return element(x[0], at);
                                           }),
                   .curvature = Curvature::none});
  add_sums_of_one(cases);
  add_sums_of_products(cases);
  add_parameter_sets(cases);
  return cases;
}

}  // namespace metatape
