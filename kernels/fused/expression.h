#pragma once

#include <array>
#include <cstdint>

#include "kernels/common/functors.h"

namespace metatape::kernels {

inline constexpr int kMaxFusedOperands = 8;  // bits of FusedExpression::scattered
inline constexpr int kMaxFusedOperations = 24;
inline constexpr int kMaxFusedRegisters = 4;  // with the operands: 48 KiB of shared memory

/// Every elementwise function, those of one operand first.
#define MT_ENUMERATOR(name) name,
enum class ElementwiseFunction : std::uint8_t {
  MT_UNARY_FUNCTIONS(MT_ENUMERATOR) MT_BINARY_FUNCTIONS(MT_ENUMERATOR)
};
#undef MT_ENUMERATOR

#define MT_COUNT(name) +1
inline constexpr int kUnaryFunctions = 0 MT_UNARY_FUNCTIONS(MT_COUNT);
#undef MT_COUNT

constexpr ElementwiseFunction elementwise(UnaryFunction f) { return ElementwiseFunction(int(f)); }
constexpr ElementwiseFunction elementwise(BinaryFunction f) {
  return ElementwiseFunction(kUnaryFunctions + int(f));
}
constexpr bool is_unary(ElementwiseFunction f) { return int(f) < kUnaryFunctions; }

/// Slots [0, operands) are the operands, the others are registers.
struct FusedOperation {
  ElementwiseFunction function;
  std::uint8_t a, b;    ///< slots read; b == a for a function of one operand
  std::uint8_t result;  ///< slot written: a register, possibly one that it reads
  double alpha, beta;   ///< constants of the function
};

/// A small program on the elements of a loop nest. The last operation gives the result. Each
/// operation rounds as the separate kernel would: the same functor on the same type.
struct FusedExpression {
  int operands = 0, registers = 0, operations = 0;
  std::uint8_t scattered = 0;  ///< bit k: operand k is given as pool_scatter gets it; fused.h
  std::array<FusedOperation, kMaxFusedOperations> code{};

  bool is_scattered(int operand) const { return (scattered >> operand & 1u) != 0; }
};

}  // namespace metatape::kernels
