#pragma once

// One sample input of one operation: what check_op (check_op.h) checks and what the completeness
// test counts.

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "engine/tensor.h"

namespace metatape {

/// How the values of an operand are drawn.
enum class Sampling {
  uniform,  ///< in [low, high)
  spaced,  ///< all values of the case differ by 0.1 and none is nearer to 0 than 0.025: no ties, no
           ///< kinks
  dyadic,  ///< multiples of 1/8 in [-4, 4], so that sums and f32 hold them exactly
  integer,  ///< labels low, ..., high - 1
};

struct Operand {
  Shape shape;
  double low = -2, high = 2;
  DType dtype = DType::f64;  ///< a case in f32 turns f64 into f32
};

/// What the second derivative of the operation is where its values are drawn.
enum class Curvature {
  curved,    ///< not zero
  none,      ///< exactly zero: linear, or linear in pieces
  constant,  ///< the first is zero too: no cotangent passes
};

using Builder = std::function<Var(Tape&, std::span<const Var>)>;
/// The result, computed with plain loops from the operands.
using Reference = std::function<std::vector<double>(std::span<const Tensor>)>;

struct OpCase {
  std::string subject;     ///< primitive or composite, as the function in ops.h is called
  std::optional<OpId> op;  ///< the primitive that is under test
  std::string name;        ///< what is special about this sample
  std::vector<Operand> operands;
  Builder build;
  Reference reference = nullptr;
  Curvature curvature = Curvature::curved;
  Sampling sampling = Sampling::uniform;
};

using OpCases = std::vector<OpCase>;

// ---- walking dense values ----------------------------------------------------------------------

/// Task, then one entry for each axis.
struct Index {
  std::array<std::int64_t, Shape::kMaxRank + 1> entry{};
  int rank = 0;
  std::int64_t task() const { return entry[0]; }
  std::int64_t& operator[](int axis) {
    return entry[std::size_t(axis < 0 ? rank + axis : axis) + 1];
  }
  std::int64_t operator[](int axis) const {
    return entry[std::size_t(axis < 0 ? rank + axis : axis) + 1];
  }
};

/// Every index of a value, in the order of its elements.
std::vector<Index> indices_of(const Shape&);

/// Element of `x` at an index of the shape that x stretches to.
double element(const Tensor& x, const Index& at);
/// Place of that element in x.
std::int64_t place(const Shape& x, const Index& at);

/// The reference that computes each element of a result of `shape` from its index.
template <class F>
Reference by_element(const Shape& shape, F f) {
  return [shape, f](std::span<const Tensor> x) {
    std::vector<double> y;
    for (const Index& at : indices_of(shape)) y.push_back(f(x, at));
    return y;
  };
}

/// Values of the operands of a case. The same case gets the same values in every run.
std::vector<Tensor> sample_operands(const OpCase&);

}  // namespace metatape
