#include <fmt/format.h>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

struct BinaryFunction {
  const char* name;
  OpId op;
  Var (*build)(Var, Var);
  double (*reference)(double, double);
  Curvature curvature = Curvature::curved;
  Sampling sampling = Sampling::uniform;
  double low = -2, high = 2;  // of b
};

const BinaryFunction kFunctions[] = {
    {"add", OpId::add, [](Var a, Var b) { return a + b; }, [](double a, double b) { return a + b; },
     Curvature::none},
    {"sub", OpId::sub, [](Var a, Var b) { return a - b; }, [](double a, double b) { return a - b; },
     Curvature::none},
    {"mul", OpId::mul, [](Var a, Var b) { return a * b; },
     [](double a, double b) { return a * b; }},
    {"div", OpId::div, [](Var a, Var b) { return a / b; }, [](double a, double b) { return a / b; },
     Curvature::curved, Sampling::uniform, 0.5, 2},
    {"maximum", OpId::maximum, [](Var a, Var b) { return maximum(a, b); },
     [](double a, double b) { return std::max(a, b); }, Curvature::none, Sampling::spaced},
    {"minimum", OpId::minimum, [](Var a, Var b) { return minimum(a, b); },
     [](double a, double b) { return std::min(a, b); }, Curvature::none, Sampling::spaced},
    {"greater", OpId::greater, [](Var a, Var b) { return greater(a, b); },
     [](double a, double b) { return double(a > b); }, Curvature::constant, Sampling::spaced},
    {"greater_equal", OpId::greater_equal, [](Var a, Var b) { return greater_equal(a, b); },
     [](double a, double b) { return double(a >= b); }, Curvature::constant, Sampling::spaced},
    {"relu_mask", OpId::relu_mask, [](Var a, Var b) { return relu_mask(a, b, 0.25); },
     [](double a, double b) { return b > 0 ? a : 0.25 * a; }, Curvature::none, Sampling::spaced},
};

/// Equal extents, and every way in which one operand stretches: tasks, an axis, missing axes, both.
std::vector<std::pair<Shape, Shape>> operand_shapes() {
  return {{{}, {}},
          {{1}, {7}},
          {{7}, {7}},
          {per_task(3, {5}), {5}},
          {{5}, per_task(3, {5})},
          {per_task(3, {5}), per_task(3, {1})},
          {per_task(2, {2, 3}), {3}},
          {{2, 3}, per_task(2, {3})},
          {per_task(2, {2, 1}), per_task(2, {1, 3})},
          {per_task(3, {}), {2, 7}},
          {per_task(2, {2, 3, 1, 5}), {3, 1, 1}}};
}

/// Two operands that are one value.
OpCase reused(const BinaryFunction& f, const Shape& shape) {
  return {.subject = f.name,
          .op = f.op,
          .name = shape.str() + " with itself",
          .operands = {{shape}},
          .build = [f](Tape&, std::span<const Var> x) { return f.build(x[0], x[0]); },
          .reference = by_element(shape,
                                  [f](std::span<const Tensor> x, const Index& at) {
                                    return f.reference(element(x[0], at), element(x[0], at));
                                  }),
          .curvature = f.curvature};
}

}  // namespace

OpCases elementwise_binary_cases() {
  OpCases cases;
  for (const BinaryFunction& f : kFunctions)
    for (const auto& [a, b] : operand_shapes()) {
      Shape shape;
      broadcast_shapes(a, b, &shape);
      cases.push_back({.subject = f.name,
                       .op = f.op,
                       .name = fmt::format("{} and {}", a.str(), b.str()),
                       .operands = {{a}, {b, f.low, f.high}},
                       .build = [f](Tape&, std::span<const Var> x) { return f.build(x[0], x[1]); },
                       .reference = by_element(shape,
                                               [f](std::span<const Tensor> x, const Index& at) {
                                                 return f.reference(element(x[0], at),
                                                                    element(x[1], at));
                                               }),
                       .curvature = f.curvature,
                       .sampling = f.sampling});
    }
  for (const BinaryFunction& f : kFunctions)
    if (f.op == OpId::add || f.op == OpId::mul) {
      cases.push_back(reused(f, {7}));
      cases.push_back(reused(f, per_task(3, {2, 5})));
    }
  return cases;
}

}  // namespace metatape
