// One rank: what several add up and collect is the matter of tests/ranks.

#include "tests/ops/op_cases.h"

namespace metatape {

OpCases ranks_cases() {
  OpCases cases;
  for (const Shape& shape : sample_shapes()) {
    cases.push_back(
        {.subject = "add_over_ranks",
         .op = OpId::add_over_ranks,
         .name = shape.str(),
         .operands = {{shape}, {shape}},
         .build = [](Tape&, std::span<const Var> x) { return add_over_ranks(x[0], x[1], 1); },
         .reference = by_element(shape,
                                 [](std::span<const Tensor> x, const Index& at) {
                                   return element(x[0], at) + element(x[1], at);
                                 }),
         .curvature = Curvature::constant});
    cases.push_back(
        {.subject = "gather_over_ranks",
         .op = OpId::gather_over_ranks,
         .name = shape.str(),
         .operands = {{shape}},
         .build = [](Tape&, std::span<const Var> x) { return gather_over_ranks(x[0], 1); },
         .reference = by_element(
             shape, [](std::span<const Tensor> x, const Index& at) { return element(x[0], at); }),
         .curvature = Curvature::constant});
  }
  return cases;
}

}  // namespace metatape
