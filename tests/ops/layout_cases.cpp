#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

OpCase linear_case(const char* subject, OpId op, std::string name, std::vector<Operand> operands,
                   Builder build, Reference reference) {
  return {.subject = subject,
          .op = op,
          .name = std::move(name),
          .operands = std::move(operands),
          .build = std::move(build),
          .reference = std::move(reference),
          .curvature = Curvature::none};
}

std::vector<double> same_elements(std::span<const Tensor> x) { return x[0].values(); }

void add_views(OpCases& cases) {
  const std::pair<Shape, std::vector<std::int64_t>> reshapes[] = {
      {{6}, {2, 3}},
      {{2, 3}, {6}},
      {{1}, {}},
      {{}, {1, 1}},
      {per_task(3, {5}), {5, 1}},
      {per_task(2, {2, 3, 5}), {6, 5}},
      {per_task(2, {4, 3}), {3, 4}},
      {per_task(7, {2, 1, 3, 1, 1}), {3, 2}}};
  for (const auto& [from, to] : reshapes)
    cases.push_back(linear_case(
        "reshape", OpId::reshape, fmt::format("{} to [{}]", from.str(), fmt::join(to, ",")),
        {{from}}, [to](Tape&, std::span<const Var> x) { return reshape(x[0], to); },
        same_elements));
  for (const Shape& shape : sample_shapes())
    cases.push_back({.subject = "stop_gradient",
                     .op = OpId::stop_gradient,
                     .name = shape.str(),
                     .operands = {{shape}},
                     .build = [](Tape&, std::span<const Var> x) { return stop_gradient(x[0]); },
                     .reference = same_elements,
                     .curvature = Curvature::constant});
}

void add_transposes(OpCases& cases) {
  const std::pair<Shape, std::vector<int>> transposes[] = {
      {{1, 1}, {1, 0}},
      {{2, 7}, {1, 0}},
      {per_task(3, {5}), {0}},
      {per_task(3, {2, 5}), {1, 0}},
      {{2, 3, 5}, {2, 0, 1}},
      {per_task(2, {2, 3, 5}), {1, 2, 0}},
      {per_task(2, {1, 3, 1, 2}), {3, 0, 2, 1}},
      {{2, 1, 3, 2, 2}, {4, 2, 0, 3, 1}}};
  for (const auto& [from, permutation] : transposes) {
    Shape to = from;
    for (int k = 0; k < from.rank(); ++k) to = to.with_extent(k, from[permutation[std::size_t(k)]]);
    cases.push_back(linear_case(
        "transpose", OpId::transpose,
        fmt::format("{} by ({})", from.str(), fmt::join(permutation, ",")), {{from}},
        [p = permutation](Tape&, std::span<const Var> x) { return transpose(x[0], p); },
        by_element(to, [p = permutation](std::span<const Tensor> x, const Index& at) {
          Index source = at;
          for (int k = 0; k < at.rank; ++k) source[p[std::size_t(k)]] = at[k];
          return element(x[0], source);
        })));
  }
  cases.push_back(linear_case(
      "transpose", OpId::transpose, "the last two axes of 2x[2,3,5]", {{per_task(2, {2, 3, 5})}},
      [](Tape&, std::span<const Var> x) { return transpose(x[0]); },
      by_element(per_task(2, {2, 5, 3}), [](std::span<const Tensor> x, const Index& at) {
        Index source = at;
        std::swap(source[-1], source[-2]);
        return element(x[0], source);
      })));
}

/// Places start, start + step, ... of one axis; the axis has `extent` places, `count` are meant.
struct Span {
  Shape large;
  int axis;
  std::int64_t start, stop, step, count;
};

const Span kSpans[] = {{{7}, 0, 0, 7, 2, 4},
                       {{1}, 0, 0, 1, 1, 1},
                       {{7}, 0, 2, 5, 1, 3},
                       {per_task(3, {5}), 0, 1, 5, 3, 2},
                       {{2, 5}, 1, 4, 5, 1, 1},
                       {{5, 2}, 0, 1, 4, 2, 2},
                       {per_task(2, {3, 7, 2}), 1, 0, 7, 3, 3},
                       {per_task(2, {2, 1, 3, 2}), 2, 1, 3, 1, 2},
                       {{2, 1, 3, 2, 5}, 4, 0, 4, 3, 2}};

void add_slices_and_pads(OpCases& cases) {
  for (const Span& s : kSpans) {
    const Shape small = s.large.with_extent(s.axis, s.count);
    const std::string name =
        fmt::format("{}:{}:{} of axis {} of {}", s.start, s.stop, s.step, s.axis, s.large.str());
    cases.push_back(linear_case(
        "slice", OpId::slice, name, {{s.large}},
        [s](Tape&, std::span<const Var> x) { return slice(x[0], s.axis, s.start, s.stop, s.step); },
        by_element(small, [s](std::span<const Tensor> x, const Index& at) {
          Index source = at;
          source[s.axis] = s.start + at[s.axis] * s.step;
          return element(x[0], source);
        })));
    cases.push_back(linear_case(
        "pad", OpId::pad, name, {{small}},
        [s](Tape&, std::span<const Var> x) {
          return pad(x[0], s.axis, s.large[s.axis], s.start, s.step);
        },
        by_element(s.large, [s](std::span<const Tensor> x, const Index& at) {
          Index source = at;
          const std::int64_t steps = at[s.axis] - s.start;
          source[s.axis] = steps / s.step;
          const bool hit = steps >= 0 && steps % s.step == 0 && source[s.axis] < s.count;
          return hit ? element(x[0], source) : 0.0;
        })));
  }
}

void add_concats(OpCases& cases) {
  const std::pair<std::vector<Shape>, int> joins[] = {
      {{{7}, {5}}, 0},
      {{{1}}, 0},
      {{per_task(3, {2}), per_task(3, {5})}, 0},
      {{{2}, per_task(3, {5})}, 0},
      {{per_task(3, {2, 3}), {2, 1}}, 1},
      {{{2, 3}, {1, 3}, {4, 3}}, 0},
      {{per_task(2, {2, 3, 5}), per_task(2, {2, 1, 5})}, 1},
      {{{2, 1, 3, 2}, per_task(2, {2, 1, 3, 1}), {2, 1, 3, 3}}, 3}};
  for (const auto& [parts, axis] : joins) {
    std::int64_t tasks = 1, extent = 0;
    std::vector<Operand> operands;
    std::string name = fmt::format("axis {}:", axis);
    for (const Shape& part : parts) {
      tasks = std::max(tasks, part.tasks());
      extent += part[axis];
      operands.push_back({part});
      name += " " + part.str();
    }
    cases.push_back(linear_case(
        "concat", OpId::concat, name, operands,
        [a = axis](Tape&, std::span<const Var> x) { return concat(x, a); },
        by_element(parts[0].with_extent(axis, extent).with_tasks(tasks),
                   [a = axis](std::span<const Tensor> x, const Index& at) {
                     Index source = at;
                     for (const Tensor& part : x) {
                       if (source[a] < part.shape()[a]) return element(part, source);
                       source[a] -= part.shape()[a];
                     }
                     return 0.0;
                   })));
  }
}

}  // namespace

OpCases layout_cases() {
  OpCases cases;
  add_views(cases);
  add_transposes(cases);
  add_slices_and_pads(cases);
  add_concats(cases);
  return cases;
}

}  // namespace metatape
