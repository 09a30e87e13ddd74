#include <fmt/format.h>

#include <cmath>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

constexpr std::int64_t kClasses = 5;

/// Rows of logits, and labels for them: shared or one set for each task.
const std::pair<Shape, Shape> kRows[] = {
    {{1}, {1}},
    {{7}, {7}},
    {per_task(3, {4}), per_task(3, {4})},
    {per_task(3, {4}), {4}},
    {{4}, per_task(3, {4})},
    {{}, {}},
    {per_task(2, {2, 3}), {2, 3}},
    {{2, 1, 3}, per_task(2, {2, 1, 3})},
    {per_task(13, {1}), per_task(13, {1})},
};

Index with_last(const Index& at, std::int64_t last) {
  Index longer = at;
  longer.rank = at.rank + 1;
  longer[-1] = last;
  return longer;
}

double log_sum_exp(const Tensor& x, const Index& row) {
  double total = 0;
  for (std::int64_t c = 0; c < x.shape()[-1]; ++c) total += std::exp(element(x, with_last(row, c)));
  return std::log(total);
}

std::int64_t largest_column(const Tensor& x, const Index& row) {
  std::int64_t best = 0;
  for (std::int64_t c = 1; c < x.shape()[-1]; ++c)
    if (element(x, with_last(row, c)) > element(x, with_last(row, best))) best = c;
  return best;
}

Shape with_common_tasks(const Shape& s, const Shape& other) {
  return s.with_tasks(std::max(s.tasks(), other.tasks()));
}

Operand labels(const Shape& s) { return {s, 0, double(kClasses), DType::i32}; }

void add_log_softmax(OpCases& cases) {
  for (const Shape& s : {Shape{1}, Shape{7}, per_task(3, {5}), per_task(2, {2, 3}), Shape{3, 2},
                         Shape{13, 2}, Shape{2, 1, 5}, per_task(3, {2, 1, 7}), Shape{1, 2, 2, 3}})
    cases.push_back({.subject = "log_softmax",
                     .op = OpId::log_softmax,
                     .name = s.str(),
                     .operands = {{s}},
                     .build = [](Tape&, std::span<const Var> x) { return log_softmax(x[0]); },
                     .reference =
                         [s](std::span<const Tensor> x) {
                           std::vector<double> y;
                           for (const Index& row : indices_of(s.without_last()))
                             for (std::int64_t c = 0; c < s[-1]; ++c)
                               y.push_back(element(x[0], with_last(row, c)) -
                                           log_sum_exp(x[0], row));
                           return y;
                         },
                     // One class has probability 1 whatever its logit is.
                     .curvature = s[-1] == 1 ? Curvature::constant : Curvature::curved});
}

void add_labelled(OpCases& cases, const Shape& rows, const Shape& label) {
  const Shape logits = rows.appended(kClasses), result = with_common_tasks(rows, label);
  const std::string name = fmt::format("{} and labels {}", logits.str(), label.str());
  cases.push_back({.subject = "take_label",
                   .op = OpId::take_label,
                   .name = name,
                   .operands = {{logits}, labels(label)},
                   .build = [](Tape&, std::span<const Var> x) { return take_label(x[0], x[1]); },
                   .reference = by_element(
                       result,
                       [](std::span<const Tensor> x, const Index& at) {
                         return element(x[0], with_last(at, std::int64_t(element(x[1], at))));
                       }),
                   .curvature = Curvature::none});
  cases.push_back(
      {.subject = "put_label",
       .op = OpId::put_label,
       .name = name,
       .operands = {{rows}, labels(label)},
       .build = [](Tape&, std::span<const Var> x) { return put_label(x[0], x[1], kClasses); },
       .reference = by_element(result.appended(kClasses),
                               [](std::span<const Tensor> x, const Index& at) {
                                 Index row = at;
                                 row.rank = at.rank - 1;
                                 return double(element(x[1], row)) == double(at[-1])
                                            ? element(x[0], row)
                                            : 0.0;
                               }),
       .curvature = Curvature::none});
  cases.push_back({.subject = "argmax",
                   .op = OpId::argmax,
                   .name = name,
                   .operands = {{logits}},
                   .build = [](Tape&, std::span<const Var> x) { return argmax(x[0]); },
                   .reference = by_element(rows,
                                           [](std::span<const Tensor> x, const Index& at) {
                                             return double(largest_column(x[0], at));
                                           }),
                   .curvature = Curvature::constant});
  cases.push_back(
      {.subject = "equal_labels",
       .op = OpId::equal_labels,
       .name = name,
       .operands = {labels(rows), labels(label)},
       .build = [](Tape&, std::span<const Var> x) { return equal_labels(x[0], x[1], DType::f64); },
       .reference = by_element(result,
                               [](std::span<const Tensor> x, const Index& at) {
                                 return double(element(x[0], at) == element(x[1], at));
                               }),
       .curvature = Curvature::constant});
}

/// Mean over the rows of a task of what `row_value` gives.
template <class F>
Reference mean_over_rows(const Shape& result, F row_value) {
  return [=](std::span<const Tensor> x) {
    std::vector<double> y(std::size_t(result.tasks()), 0.0);
    for (const Index& at : indices_of(result))
      y[std::size_t(at.task())] += row_value(x, at) / double(result.elements_per_task());
    return y;
  };
}

void add_losses(OpCases& cases, const Shape& rows, const Shape& label) {
  const Shape logits = rows.appended(kClasses), result = with_common_tasks(rows, label);
  const std::string name = fmt::format("{} and labels {}", logits.str(), label.str());
  cases.push_back(
      {.subject = "cross_entropy",
       .op = {},
       .name = name,
       .operands = {{logits}, labels(label)},
       .build = [](Tape&, std::span<const Var> x) { return cross_entropy(x[0], x[1]); },
       .reference = mean_over_rows(result, [](std::span<const Tensor> x, const Index& at) {
         const auto target = std::int64_t(element(x[1], at));
         return log_sum_exp(x[0], at) - element(x[0], with_last(at, target));
       })});
  cases.push_back({.subject = "accuracy",
                   .op = {},
                   .name = name,
                   .operands = {{logits}, labels(label)},
                   .build = [](Tape&, std::span<const Var> x) { return accuracy(x[0], x[1]); },
                   .reference = mean_over_rows(result,
                                               [](std::span<const Tensor> x, const Index& at) {
                                                 return double(double(largest_column(x[0], at)) ==
                                                               element(x[1], at));
                                               }),
                   .curvature = Curvature::constant});
  cases.push_back(
      {.subject = "mean_squared_error",
       .op = {},
       .name = fmt::format("{} and {}", rows.str(), label.str()),
       .operands = {{rows}, {label}},
       .build = [](Tape&, std::span<const Var> x) { return mean_squared_error(x[0], x[1]); },
       .reference = mean_over_rows(result, [](std::span<const Tensor> x, const Index& at) {
         const double error = element(x[0], at) - element(x[1], at);
         return error * error;
       })});
}

}  // namespace

OpCases classification_cases() {
  OpCases cases;
  add_log_softmax(cases);
  for (const auto& [rows, label] : kRows) {
    add_labelled(cases, rows, label);
    add_losses(cases, rows, label);
  }
  return cases;
}

}  // namespace metatape
