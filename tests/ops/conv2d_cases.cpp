#include <fmt/format.h>

#include <algorithm>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

struct Convolution {
  Shape x, w;  ///< [N,H,W,C], [K,R,S,C]
  Conv2dOptions options;

  std::int64_t out(int axis) const {
    return (x[axis] + 2 * options.pad - w[axis]) / options.stride + 1;
  }
  Shape y() const { return {x[0], out(1), out(2), w[0]}; }
};

const Convolution kConvolutions[] = {
    {{1, 1, 1, 1}, {1, 1, 1, 1}, {}},
    {{2, 3, 5, 2}, {3, 1, 1, 2}, {}},
    {{2, 5, 4, 1}, {2, 3, 3, 1}, {.stride = 1, .pad = 1}},
    {{1, 7, 6, 3}, {2, 3, 3, 3}, {.stride = 2, .pad = 1}},
    {{1, 7, 7, 1}, {3, 3, 3, 1}, {.stride = 2, .pad = 0}},  // even rest: no column is dropped
    {{2, 6, 5, 2}, {1, 3, 2, 2}, {.stride = 2, .pad = 0}},  // the last row is never read
    {{1, 4, 3, 2}, {2, 4, 3, 2}, {}},                       // a dense layer
    {{1, 5, 5, 1}, {2, 1, 1, 1}, {.stride = 3, .pad = 1}},
};

/// (shared or per-task) x (shared or per-task) operands
const std::pair<std::int64_t, std::int64_t> kTasks[] = {{1, 1}, {3, 1}, {1, 3}, {2, 2}};

/// Calls body(in y, in w, in x) for every product of y[n,p,q,k] += x[n,h,w,c] w[k,r,s,c].
template <class Body>
void for_each_product(const Convolution& c, std::int64_t tasks, const Body& body) {
  for (const Index& y : indices_of(c.y().with_tasks(tasks)))
    for (std::int64_t r = 0; r < c.w[1]; ++r)
      for (std::int64_t s = 0; s < c.w[2]; ++s)
        for (std::int64_t channel = 0; channel < c.x[3]; ++channel) {
          const std::int64_t row = y[1] * c.options.stride + r - c.options.pad;
          const std::int64_t column = y[2] * c.options.stride + s - c.options.pad;
          if (row < 0 || row >= c.x[1] || column < 0 || column >= c.x[2]) continue;
          const Index w{{y.task(), y[3], r, s, channel}, 4};
          const Index x{{y.task(), y[0], row, column, channel}, 4};
          body(y, w, x);
        }
}

enum class Part { y, w, x };

/// The part's sum over all products of the two others, which are operands 0 and 1 as given.
Reference reference_of(const Convolution& c, std::int64_t tasks, Part wanted, Part first,
                       Part second) {
  return [=](std::span<const Tensor> operand) {
    const Shape shape = (wanted == Part::y   ? c.y()
                         : wanted == Part::w ? c.w
                                             : c.x)
                            .with_tasks(tasks);
    std::vector<double> result(std::size_t(shape.elements()), 0.0);
    for_each_product(c, tasks, [&](const Index& y, const Index& w, const Index& x) {
      auto at = [&](Part part) { return part == Part::y ? y : part == Part::w ? w : x; };
      result[std::size_t(place(shape, at(wanted)))] +=
          element(operand[0], at(first)) * element(operand[1], at(second));
    });
    return result;
  };
}

OpCase map_case(const char* subject, OpId op, const Convolution& c, const Shape& first,
                const Shape& second, Builder build, Reference reference) {
  return {.subject = subject,
          .op = op,
          .name = fmt::format("{} and {}, image {}, stride {}, pad {}", first.str(), second.str(),
                              c.x.str(), c.options.stride, c.options.pad),
          .operands = {{first}, {second}},
          .build = std::move(build),
          .reference = std::move(reference)};
}

}  // namespace

OpCases conv2d_cases() {
  OpCases cases;
  for (const Convolution& c : kConvolutions)
    for (const auto& [first, second] : kTasks) {
      const std::int64_t tasks = std::max(first, second);
      cases.push_back(map_case(
          "conv2d", OpId::conv2d, c, c.x.with_tasks(first), c.w.with_tasks(second),
          [c](Tape&, std::span<const Var> x) { return conv2d(x[0], x[1], c.options); },
          reference_of(c, tasks, Part::y, Part::x, Part::w)));
      cases.push_back(map_case(
          "conv2d_input_grad", OpId::conv2d_input_grad, c, c.y().with_tasks(first),
          c.w.with_tasks(second),
          [c](Tape&, std::span<const Var> x) {
            return conv2d_input_grad(x[0], x[1], c.x[1], c.x[2], c.options);
          },
          reference_of(c, tasks, Part::x, Part::y, Part::w)));
      cases.push_back(map_case(
          "conv2d_weight_grad", OpId::conv2d_weight_grad, c, c.x.with_tasks(first),
          c.y().with_tasks(second),
          [c](Tape&, std::span<const Var> x) {
            return conv2d_weight_grad(x[0], x[1], c.w[1], c.w[2], c.options);
          },
          reference_of(c, tasks, Part::w, Part::x, Part::y)));
    }
  return cases;
}

}  // namespace metatape
