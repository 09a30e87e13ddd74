#pragma once

#include "engine/target.h"
#include "kernels/fused/expression.h"

namespace metatape {

/// What fusion weighs against each other, in bytes of memory traffic.
struct FusionCost {
  /// What an instruction costs beside its traffic: a call on the CPU, a launch on a GPU.
  double instruction;
  /// What a sum or a product costs for each element that it runs over, in elements read.
  double operation;
  /// What is lost for each element where a sum of an expression keeps long rows, in elements read.
  double long_row_sum;
};

FusionCost fusion_cost(Device);

/// An instruction's cost as one of a few tasks bears it. Passes that change how results are rounded
/// decide by what one task moves: a value must not depend on how many tasks are computed at once.
double instruction_of_task(Device);

/// How much a function costs, in sums or products.
double relative_work(kernels::ElementwiseFunction);

}  // namespace metatape
