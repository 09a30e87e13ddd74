#pragma once

#include "kernels/common/strided_loops.h"
#include "kernels/fused/fused.h"
#include "kernels/fused/scattered_operand.h"

namespace metatape::kernels {

/// An operand along a loop nest of its own: it is one walk, whatever the other operands do.
template <class T>
struct BlockOperand {
  const T* base = nullptr;
  StridedLoops<1> loops;
  /// Elements after which the operand repeats itself, and how many repetitions follow each other.
  /// (0: it never does.)
  std::int64_t period = 0, repeated = 0;
  ScatteredOperand<T> scattered = {};  ///< in place of base: loops lead through what it scatters to

  BlockOperand() = default;
  BlockOperand(const T* pointer, const StridedLoops<1>& nest) : base(pointer), loops(nest) {
    std::int64_t inside = 1;
    for (int d = loops.rank() - 1; d >= 0 && period == 0; --d) {
      if (loops[d].strides[0] == 0) {
        period = inside;
        repeated = inside * loops[d].extent;
      }
      inside *= loops[d].extent;
    }
  }

  bool contiguous() const {
    if (scattered) return false;
    return loops.rank() == 0 || (loops.rank() == 1 && loops[0].strides[0] == 1);
  }
};

template <class T>
using BlockOperands = std::array<BlockOperand<T>, kMaxFusedOperands>;

/// Adds the selected loops of the nest, as operand k steps through them, inside those present.
template <class T>
void append_loops(const FusedArgs<T>& args, int k, unsigned selected, StridedLoops<1>& loops) {
  for (int d = 0; d < args.loops.rank; ++d)
    if ((selected >> d & 1u) != 0) loops.append({args.loops.extents[d], {args.strides[k][d]}});
}

template <class T>
BlockOperand<T> block_operand(const FusedArgs<T>& args, int k, const StridedLoops<1>& loops) {
  BlockOperand<T> operand(args.operands[k], loops);
  if (args.expression.is_scattered(k)) operand.scattered = {args.scattering, args.operands[k]};
  return operand;
}

/// Every operand along the loops `outer` and, inside, the loops `inner`.
template <class T>
BlockOperands<T> operands_along(const FusedArgs<T>& args, unsigned outer, unsigned inner) {
  BlockOperands<T> operands;
  for (int k = 0; k < args.expression.operands; ++k) {
    StridedLoops<1> loops;
    append_loops(args, k, outer, loops);
    append_loops(args, k, inner, loops);
    operands[k] = block_operand(args, k, loops);
  }
  return operands;
}

}  // namespace metatape::kernels
