#pragma once

#include "kernels/common/context.h"
#include "kernels/common/extents.h"
#include "kernels/fused/expression.h"

namespace metatape::kernels {

/// y[i] = expression(operand[0][i], operand[1][i], ...) over the loop nest; y is dense in loop
/// order. Operands are read through element strides (0 broadcasts). y may be an operand whose
/// strides are dense in the same loop order. Writes every element of y. Workspace: none.
/// On the CPU the bits are those of the separate elementwise kernels.
template <class T>
struct FusedArgs {
  const FusedExpression& expression;
  LoopNest loops;
  std::array<Extents, kMaxFusedOperands> strides{};
  std::array<const T*, kMaxFusedOperands> operands{};
  T* y;
};
template <class T>
void fused(const FusedArgs<T>&, const CpuContext&);
template <class T>
void fused(const FusedArgs<T>&, const CudaContext&);

/// y[kept] = sum over the reduced loops of expression(...); bit d of `reduced` stands for loop d.
/// y is dense over the kept loops, aliases nothing and is written whole. An empty sum is 0.
/// On the CPU the bits are those of kernels/reduce on the terms. On a GPU the order of additions
/// depends on the extents alone.
template <class T>
struct FusedSumArgs {
  FusedArgs<T> terms;  ///< y is that of the sum
  unsigned reduced;
  T* workspace;  ///< fused_sum_workspace_elements() elements, or nullptr if that is 0
};
template <class T>
void fused_sum(const FusedSumArgs<T>&, const CpuContext&);
template <class T>
void fused_sum(const FusedSumArgs<T>&, const CudaContext&);

/// Elements of workspace for these loops; depends on the extents alone.
std::int64_t fused_sum_workspace_elements(const LoopNest&, unsigned reduced, const CpuContext&);
std::int64_t fused_sum_workspace_elements(const LoopNest&, unsigned reduced, const CudaContext&);

}  // namespace metatape::kernels
