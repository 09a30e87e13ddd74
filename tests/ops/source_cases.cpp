#include "tests/ops/op_cases.h"

namespace metatape {

OpCases source_cases() {
  OpCases cases;
  for (const Shape& shape : sample_shapes())
    cases.push_back(
        {.subject = "fill",
         .op = OpId::fill,
         .name = shape.str(),
         .operands = {{shape}},
         .build = [shape](Tape& tape,
                          std::span<const Var> x) { return fill(tape, shape, 1.5, x[0].dtype()); },
         .reference = by_element(shape, [](auto, const Index&) { return 1.5; }),
         .curvature = Curvature::constant});
  return cases;
}

}  // namespace metatape
