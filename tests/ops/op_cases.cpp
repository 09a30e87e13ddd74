#include "tests/ops/op_cases.h"

namespace metatape {

std::vector<Shape> sample_shapes() {
  return {{},
          {1},
          {7},
          per_task(3, {5}),
          per_task(2, {2, 3}),
          per_task(13, {1}),
          {2, 3, 1, 5},
          per_task(3, {2, 1, 7}),
          per_task(2, {1, 2, 1, 3, 2})};
}

OpCases all_op_cases() {
  OpCases all;
  for (auto family :
       {source_cases, elementwise_unary_cases, elementwise_binary_cases, reduce_cases, layout_cases,
        matmul_cases, triangular_cases, cholesky_cases, distances_cases, conv2d_cases, pool_cases,
        classification_cases, batch_norm_cases, sampling_cases, ranks_cases})
    for (OpCase& sample : family()) all.push_back(std::move(sample));
  return all;
}

}  // namespace metatape
