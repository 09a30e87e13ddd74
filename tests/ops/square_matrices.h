#pragma once

// Operands and references of the square-matrix operations.

#include <cmath>
#include <span>
#include <vector>

#include "tests/ops/op_cases.h"

namespace metatape {

/// x + c 1, which is positive definite where c exceeds the sum of every row of |x|.
inline Var plus_identity(Var x, double c) {
  return x + diagonal_matrix(fill(*x.tape, {x.extent(-1)}, c, x.dtype()));
}

/// Row-major [n,n] or [n,k] values of matrix `index` (task, then leading axes) of a value.
class MatrixView {
 public:
  MatrixView(std::span<double> values, const Shape& shape, std::int64_t index)
      : columns_(shape[-1]),
        values_(values.subspan(std::size_t(index * shape[-2] * shape[-1]),
                               std::size_t(shape[-2] * shape[-1]))) {}
  double& operator()(std::int64_t i, std::int64_t j) const {
    return values_[std::size_t(i * columns_ + j)];
  }

 private:
  std::int64_t columns_;
  std::span<double> values_;
};

inline std::int64_t matrices_of(const Shape& s) { return s.without_last(2).elements(); }

/// The elements of x stretched to `tasks` tasks.
inline std::vector<double> over_tasks(const Tensor& x, std::int64_t tasks) {
  std::vector<double> values;
  for (const Index& at : indices_of(x.shape().with_tasks(tasks))) values.push_back(element(x, at));
  return values;
}

/// Factors (a + a') / 2 row by row; a matrix of this file's tests is positive definite.
inline void factor(const MatrixView& a, std::int64_t n, const MatrixView& l) {
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j <= i; ++j) {
      double rest = (a(i, j) + a(j, i)) / 2;
      for (std::int64_t k = 0; k < j; ++k) rest -= l(i, k) * l(j, k);
      l(i, j) = i == j ? std::sqrt(rest) : rest / l(j, j);
    }
}

}  // namespace metatape
