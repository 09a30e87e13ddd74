#pragma once

// The sample inputs of every operation, one function for each family of engine/ops/. To add an
// operation: at least kSamplesPerOp cases here; the completeness test fails until they exist.

#include "tests/support/op_case.h"

namespace metatape {

/// Sample inputs that each primitive needs: shared and per-task operands, size 1, primes, strides.
inline constexpr int kSamplesPerOp = 8;

OpCases source_cases();
OpCases elementwise_unary_cases();
OpCases elementwise_binary_cases();
OpCases reduce_cases();
OpCases layout_cases();
OpCases matmul_cases();
OpCases triangular_cases();
OpCases cholesky_cases();
OpCases distances_cases();
OpCases conv2d_cases();
OpCases pool_cases();
OpCases classification_cases();
OpCases batch_norm_cases();
OpCases sampling_cases();
OpCases ranks_cases();
OpCases all_op_cases();

/// Scalars, size 1, primes, several axes; shared by all tasks or one for each.
std::vector<Shape> sample_shapes();

inline Shape per_task(std::int64_t tasks, std::initializer_list<std::int64_t> extents) {
  return Shape(extents).with_tasks(tasks);
}

}  // namespace metatape
