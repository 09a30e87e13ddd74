#include <fmt/format.h>

#include <cmath>

#include "tests/ops/op_cases.h"

namespace metatape {
namespace {

struct UnaryFunction {
  const char* name;
  OpId op;
  Var (*build)(Var);
  double (*reference)(double);
  double low = -2, high = 2;
  Curvature curvature = Curvature::curved;
  Sampling sampling = Sampling::uniform;
  const char* constant = "";  ///< exponent or slope
};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

const UnaryFunction kFunctions[] = {
    {"affine", OpId::affine, [](Var x) { return affine(x, -1.5, 0.25); },
     [](double x) { return -1.5 * x + 0.25; }, -2, 2, Curvature::none},
    {"exp", OpId::exp, [](Var x) { return exp(x); }, [](double x) { return std::exp(x); }},
    {"expm1", OpId::expm1, [](Var x) { return expm1(x); }, [](double x) { return std::expm1(x); }},
    {"log", OpId::log, [](Var x) { return log(x); }, [](double x) { return std::log(x); }, 0.5, 3},
    {"sqrt", OpId::sqrt, [](Var x) { return sqrt(x); }, [](double x) { return std::sqrt(x); }, 0.5,
     3},
    {"rsqrt", OpId::rsqrt, [](Var x) { return rsqrt(x); },
     [](double x) { return 1 / std::sqrt(x); }, 0.5, 3},
    {"reciprocal", OpId::reciprocal, [](Var x) { return reciprocal(x); },
     [](double x) { return 1 / x; }, -3, -0.5},
    {"square", OpId::square, [](Var x) { return square(x); }, [](double x) { return x * x; }},
    {"pow", OpId::pow, [](Var x) { return pow(x, 2); }, [](double x) { return x * x; }, -2, 2,
     Curvature::curved, Sampling::uniform, " to the 2"},
    {"pow", OpId::pow, [](Var x) { return pow(x, 3); }, [](double x) { return x * x * x; }, -2, 2,
     Curvature::curved, Sampling::uniform, " to the 3"},
    {"pow", OpId::pow, [](Var x) { return pow(x, -1.5); },
     [](double x) { return 1 / (x * std::sqrt(x)); }, 0.5, 3, Curvature::curved, Sampling::uniform,
     " to the -1.5"},
    {"tanh", OpId::tanh, [](Var x) { return tanh(x); }, [](double x) { return std::tanh(x); }},
    {"sigmoid", OpId::sigmoid, [](Var x) { return sigmoid(x); }, logistic},
    {"softplus", OpId::softplus, [](Var x) { return softplus(x); },
     [](double x) { return std::log(1 + std::exp(x)); }},
    {"sin", OpId::sin, [](Var x) { return sin(x); }, [](double x) { return std::sin(x); }},
    {"cos", OpId::cos, [](Var x) { return cos(x); }, [](double x) { return std::cos(x); }},
    {"abs", OpId::abs, [](Var x) { return abs(x); }, [](double x) { return std::abs(x); }, 0, 0,
     Curvature::none, Sampling::spaced},
    {"sign", OpId::sign, [](Var x) { return sign(x); },
     [](double x) { return std::copysign(1.0, x); }, 0, 0, Curvature::constant, Sampling::spaced},
    {"relu", OpId::relu, [](Var x) { return relu(x); }, [](double x) { return std::max(x, 0.0); },
     0, 0, Curvature::none, Sampling::spaced},
    {"relu", OpId::relu, [](Var x) { return relu(x, 0.25); },
     [](double x) { return x > 0 ? x : 0.25 * x; }, 0, 0, Curvature::none, Sampling::spaced,
     " with slope 0.25"},
};

Builder build_of(Var (*build)(Var)) {
  return [build](Tape&, std::span<const Var> x) { return build(x[0]); };
}

Reference reference_of(const Shape& shape, double (*reference)(double)) {
  return by_element(shape, [reference](std::span<const Tensor> x, const Index& at) {
    return reference(element(x[0], at));
  });
}

OpCase cast_case(const Shape& shape, DType from, DType to, Curvature curvature) {
  return {.subject = "cast",
          .op = OpId::cast,
          .name = fmt::format("{} {} to {}", shape.str(), dtype_name(from), dtype_name(to)),
          .operands = {{shape, 0, 9, from}},
          .build =
              [to](Tape&, std::span<const Var> x) {
                return cast(x[0], x[0].dtype() == to ? DType::f64 : to);
              },
          .reference = reference_of(
              shape, to == DType::i32 ? [](double x) { return std::trunc(x); }
                                      : [](double x) { return x; }),
          .curvature = curvature,
          .sampling = Sampling::dyadic};
}

}  // namespace

OpCases elementwise_unary_cases() {
  OpCases cases;
  for (const UnaryFunction& f : kFunctions)
    for (const Shape& shape : sample_shapes())
      cases.push_back({.subject = f.name,
                       .op = f.op,
                       .name = shape.str() + f.constant,
                       .operands = {{shape, f.low, f.high}},
                       .build = build_of(f.build),
                       .reference = reference_of(shape, f.reference),
                       .curvature = f.curvature,
                       .sampling = f.sampling});
  for (const Shape& shape : sample_shapes()) {
    cases.push_back(cast_case(shape, DType::f64, DType::f32, Curvature::none));
    cases.push_back(cast_case(shape, DType::f64, DType::i32, Curvature::constant));
    cases.push_back(cast_case(shape, DType::i32, DType::f64, Curvature::constant));
    cases.push_back(cast_case(shape, DType::u8, DType::f32, Curvature::constant));
  }
  return cases;
}

}  // namespace metatape
