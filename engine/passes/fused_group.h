#pragma once

#include <string>
#include <vector>

#include "engine/op.h"
#include "engine/tape.h"
#include "kernels/fused/expression.h"

namespace metatape {

/// What one fused node computes: an expression of its operands over the elements of `loops`, and
/// for a fused_sum their sum to `result`, for a fused_pool_index the places of their maxima. After
/// the operands of an expression with scattered ones comes the index that scatters them. The graph
/// owns it, the attribute of the node points to it.
struct FusedGroup {
  kernels::FusedExpression expression;
  Shape loops;
  Shape result;                   ///< loops, unless they are summed or pooled
  std::vector<int> instructions;  ///< on the tape, in order; the last gives the node its place
  Attr pool = {};                 ///< of what scatters operands, or of the max_pool_index
  Shape scattered_to = {};        ///< what operands that are scattered are scattered to
};

/// Attribute of fused, fused_sum and fused_pool_index.
struct FusedAttr {
  const FusedGroup* group;
};

/// `%a` to `%h` are the operands: "t1 = sub(%a, %b); t2 = mul(t1, %c); relu(t2)".
std::string describe_expression(const kernels::FusedExpression&);

}  // namespace metatape
