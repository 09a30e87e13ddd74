#include <fmt/format.h>

#include <cmath>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

constexpr double kEpsilon = 1e-3;

struct Normalisation {
  Shape x, gamma, beta;
};

const Normalisation kNormalisations[] = {
    {{3, 1}, {1}, {1}},
    {{7, 3}, {3}, {3}},
    {per_task(2, {5, 3}), {3}, {3}},
    {{5, 3}, per_task(2, {3}), {3}},
    {per_task(3, {5, 2}), per_task(3, {2}), per_task(3, {2})},
    {{2, 3, 4, 2}, {2}, {2}},
    {per_task(2, {2, 2, 3, 3}), per_task(2, {3}), {3}},
    {per_task(2, {2, 1, 3, 1}), {1}, per_task(2, {1})},
};

double normalised(std::span<const Tensor> x, const Index& at) {
  const Shape& s = x[0].shape();
  const std::int64_t positions = s.elements_per_task() / s[-1];
  const double count = double(positions);
  double mean = 0, variance = 0;
  auto for_each_of_channel = [&](auto&& body) {
    for (const Index& other : indices_of(s.with_tasks(1))) {
      if (other[-1] != at[-1]) continue;
      Index same_task = other;
      same_task.entry[0] = at.task();
      body(element(x[0], same_task));
    }
  };
  for_each_of_channel([&](double value) { mean += value / count; });
  for_each_of_channel([&](double value) { variance += (value - mean) * (value - mean) / count; });
  return element(x[1], at) * (element(x[0], at) - mean) / std::sqrt(variance + kEpsilon) +
         element(x[2], at);
}

}  // namespace

OpCases batch_norm_cases() {
  OpCases cases;
  for (const Normalisation& n : kNormalisations) {
    const Shape result = n.x.with_tasks(std::max({n.x.tasks(), n.gamma.tasks(), n.beta.tasks()}));
    cases.push_back(
        {.subject = "batch_norm",
         .op = {},
         .name = fmt::format("{}, {}, {}", n.x.str(), n.gamma.str(), n.beta.str()),
         .operands = {{n.x}, {n.gamma}, {n.beta}},
         .build = [](Tape&,
                     std::span<const Var> x) { return batch_norm(x[0], x[1], x[2], kEpsilon); },
         .reference = by_element(result, normalised)});
  }
  return cases;
}

}  // namespace metatape
