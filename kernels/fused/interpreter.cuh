#pragma once

// A thread interprets the expression on four elements at a time; all threads of a launch decode the
// same operation at the same time, from the constant memory that kernel arguments lie in. Slots are
// indexed by variables, so they cannot be registers: each thread has a column of shared memory of
// its own, 16 bytes wide, which needs no barrier. The result of the operation before stays in
// registers too, which saves most of the reads.

#include <type_traits>

#include "kernels/common/device.cuh"
#include "kernels/common/vector.cuh"
#include "kernels/fused/expression.h"
#include "kernels/fused/scattered.cuh"

#if defined(MT_EMULATION)
#define MT_GRID_CONSTANT
#else
#define MT_GRID_CONSTANT __grid_constant__
#endif

namespace metatape::kernels {

inline constexpr int kGroup = 4;  ///< elements that a thread evaluates together
using Group = Vector<float, kGroup>;

struct DeviceOperation {
  ElementwiseFunction function;
  std::uint8_t a, b, result;
  float alpha, beta;
};

struct DeviceExpression {
  explicit DeviceExpression(const FusedExpression& e)
      : operands(e.operands), operations(e.operations), scattered(e.scattered) {
    for (int i = 0; i < e.operations; ++i) {
      const FusedOperation& op = e.code[i];
      code[i] = {op.function, op.a, op.b, op.result, float(op.alpha), float(op.beta)};
    }
  }
  int operands, operations;
  unsigned scattered;
  DeviceOperation code[kMaxFusedOperations];
};

/// What every kernel here needs: the expression and its operands, up to kOperands of them. Kernels
/// that know no scattered operands have Scattering = NoScattering.
template <int kOperands, class Scattering = NoScattering>
struct Terms {
  DeviceExpression expression;
  const float* operands[kOperands];
  Along along[kOperands];  ///< the loop that vectors lie in
  Scattering scattering;

  template <int kWidth, class Index>
  __device__ __forceinline__ Vector<float, kWidth> load_operand(int k, Index at) const {
    if constexpr (std::is_same_v<Scattering, DeviceScattering>)
      if ((expression.scattered >> k & 1u) != 0)
        return scattering.template load<kWidth>(operands[k], at);
    return load_along<kWidth>(operands[k] + at, along[k]);
  }
};

template <class Function>
__device__ __forceinline__ Group apply(Function f, const Group& a) {
  Group y;
  MT_UNROLL
  for (int k = 0; k < kGroup; ++k) y[k] = f(a[k]);
  return y;
}
template <class Function>
__device__ __forceinline__ Group apply(Function f, const Group& a, const Group& b) {
  Group y;
  MT_UNROLL
  for (int k = 0; k < kGroup; ++k) y[k] = f(a[k], b[k]);
  return y;
}

/// The expression of the operands that lie in this thread's column. `column` points to its slot 0,
/// a slot is `threads` further than the one before.
__device__ __forceinline__ Group evaluate(const DeviceExpression& e, Group* column, int threads) {
  Group last{};
  int last_slot = -1;
  for (int i = 0; i < e.operations; ++i) {
    const DeviceOperation op = e.code[i];
    const Group a = op.a == last_slot ? last : column[op.a * threads];
    const Group b = op.b == op.a ? a : op.b == last_slot ? last : column[op.b * threads];
    const Scalars<float> scalars{op.alpha, op.beta};
    switch (op.function) {
#define MT_CASE(name)                               \
  case ElementwiseFunction::name:                   \
    last = apply(functor::name<float>{scalars}, a); \
    break;
      MT_UNARY_FUNCTIONS(MT_CASE)
#undef MT_CASE
#define MT_CASE(name)                                  \
  case ElementwiseFunction::name:                      \
    last = apply(functor::name<float>{scalars}, a, b); \
    break;
      MT_BINARY_FUNCTIONS(MT_CASE)
#undef MT_CASE
    }
    last_slot = op.result;
    column[last_slot * threads] = last;
  }
  return last;
}

/// The expression at a group of elements: one vector of kWidth = 4, or four elements; piece p is at
/// offsets(p) of the operands, and is left out unless exists(p). All loads come before the first
/// use.
template <int kWidth, int kOperands, class Scattering, class Exists, class Offsets>
__device__ __forceinline__ Group evaluate_at(const Terms<kOperands, Scattering>& terms,
                                             Group* column, int threads, const Exists& exists,
                                             const Offsets& offsets) {
  Group loaded[kOperands];
  MT_UNROLL
  for (int p = 0; p < kGroup / kWidth; ++p) {
    const bool there = exists(p);
    const auto at = offsets(there ? p : 0);
    MT_UNROLL
    for (int k = 0; k < kOperands; ++k) {
      if (k >= terms.expression.operands) continue;
      const Vector<float, kWidth> part = terms.template load_operand<kWidth>(k, at.of[k]);
      MT_UNROLL
      for (int j = 0; j < kWidth; ++j) loaded[k][p * kWidth + j] = part[j];
    }
  }
  MT_UNROLL
  for (int k = 0; k < kOperands; ++k)
    if (k < terms.expression.operands) column[k * threads] = loaded[k];
  return evaluate(terms.expression, column, threads);
}

template <class Offsets>
__device__ Offsets sum_of(Offsets x, const Offsets& y) {
  for (int k = 0; k < int(sizeof(x.of) / sizeof(x.of[0])); ++k) x.of[k] += y.of[k];
  return x;
}

}  // namespace metatape::kernels
