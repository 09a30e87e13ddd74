#include "tests/support/op_case.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace metatape {

std::vector<Index> indices_of(const Shape& shape) {
  std::vector<Index> all;
  for (std::int64_t i = 0; i < shape.elements(); ++i) {
    Index at;
    at.rank = shape.rank();
    std::int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      at[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    at.entry[0] = rest;
    all.push_back(at);
  }
  return all;
}

std::int64_t place(const Shape& x, const Index& at) {
  std::int64_t offset = x.tasks() == 1 ? 0 : at.task();
  for (int axis = 0; axis < x.rank(); ++axis)
    offset = offset * x[axis] + (x[axis] == 1 ? 0 : at[axis - x.rank() + at.rank]);
  return offset;
}

double element(const Tensor& x, const Index& at) { return x.at(place(x.shape(), at)); }

namespace {

using Random = std::mt19937_64;

/// All places of the case's values on one line, in random order.
std::vector<double> spaced_values(std::int64_t count, Random& random) {
  std::vector<double> values(static_cast<std::size_t>(count));
  const std::int64_t half = count / 2;
  std::iota(values.begin(), values.end(), 0.25 - double(half));
  std::shuffle(values.begin(), values.end(), random);
  for (double& value : values) value *= 0.1;
  return values;
}

}  // namespace

std::vector<Tensor> sample_operands(const OpCase& sample) {
  Random random(std::hash<std::string>{}(sample.subject + sample.name));
  std::int64_t total = 0;
  for (const Operand& operand : sample.operands) total += operand.shape.elements();
  const std::vector<double> spaced = spaced_values(total, random);

  std::size_t next = 0;
  auto draw = [&](const Operand& operand) -> double {
    const bool is_label = !is_float(operand.dtype);
    switch (is_label ? Sampling::integer : sample.sampling) {
      case Sampling::spaced:
        return spaced[next++];
      case Sampling::dyadic:
        return double(std::uniform_int_distribution<int>(-32, 32)(random)) / 8;
      case Sampling::integer:
        return std::uniform_int_distribution<int>(int(operand.low), int(operand.high) - 1)(random);
      case Sampling::uniform:
        break;
    }
    return std::uniform_real_distribution<double>(operand.low, operand.high)(random);
  };
  std::vector<Tensor> values;
  for (const Operand& operand : sample.operands) {
    Tensor value(operand.shape, operand.dtype);
    for (std::int64_t i = 0; i < value.elements(); ++i) value.set_at(i, draw(operand));
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace metatape
