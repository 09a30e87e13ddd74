#pragma once

#include "kernels/common/context.h"
#include "kernels/common/extents.h"
#include "kernels/fused/expression.h"
#include "kernels/pool/pool.h"

namespace metatape::kernels {

/// Operands x_bar = pool_scatter(pool, y_bar, index) that are given as y_bar: those with a bit in
/// FusedExpression::scattered. Their strides are those of x_bar. No windows overlap.
struct Scattering {
  PoolGeometry pool{};
  const WindowPlace* index = nullptr;
};

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
  Scattering scattering{};
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

/// The index of max_pool_index on the values of an expression over the loops [planes..., H, W, C],
/// the last three loops of the nest. terms.y is not used. No operand is scattered. On the CPU the
/// indices are those of the separate kernels.
template <class T>
struct FusedPoolIndexArgs {
  FusedArgs<T> terms;
  PoolGeometry pool;
  WindowPlace* index;
  T* workspace;  ///< fused_pool_index_workspace_elements() elements, or nullptr if that is 0
};
template <class T>
void fused_pool_index(const FusedPoolIndexArgs<T>&, const CpuContext&);
template <class T>
void fused_pool_index(const FusedPoolIndexArgs<T>&, const CudaContext&);

std::int64_t fused_pool_index_workspace_elements(const PoolGeometry&, const CpuContext&);
std::int64_t fused_pool_index_workspace_elements(const PoolGeometry&, const CudaContext&);

}  // namespace metatape::kernels
