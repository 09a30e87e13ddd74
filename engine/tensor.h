#pragma once

#include <cstring>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/op.h"

namespace metatape {

/// A dense array in host memory: what is fed, fetched and kept between runs.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Shape& shape, DType dtype) : type_{shape, dtype}, bytes_(type_.bytes()) {}

  template <class T>
  static Tensor of(const Shape& shape, DType dtype, std::span<const T> values) {
    Tensor t(shape, dtype);
    t.set(values);
    return t;
  }

  const Shape& shape() const { return type_.shape; }
  DType dtype() const { return type_.dtype; }
  std::int64_t elements() const { return type_.shape.elements(); }
  std::span<std::byte> bytes() { return bytes_; }
  std::span<const std::byte> bytes() const { return bytes_; }

  /// Element i as a double, whatever the type.
  double at(std::int64_t i) const;
  void set_at(std::int64_t i, double value);
  /// All elements, converted.
  std::vector<double> values() const;

  template <class T>
  void set(std::span<const T> values) {
    if (std::int64_t(values.size()) != elements())
      fail(ErrorKind::shape, "tensor", "{} values for {}", values.size(), shape().str());
    for (std::size_t i = 0; i < values.size(); ++i) set_at(std::int64_t(i), double(values[i]));
  }

  bool operator==(const Tensor&) const = default;

 private:
  ValueType type_{};
  std::vector<std::byte> bytes_;
};

/// What lives between runs, by name: parameters, optimiser moments, counters. Programs that declare
/// a state of the same name share it. Checkpoints are this, written down.
using StateStore = std::map<std::string, Tensor>;

/// SHA-256 over names, types and bytes, in name order.
std::string state_digest(const StateStore&);

}  // namespace metatape
