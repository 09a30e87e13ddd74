#pragma once

// An expression on the CPU, a block of elements at a time: an operation, or two, are one vectorised
// loop over rows that stay in the L1 cache, so that what it costs to decode is shared by the block.

#include "kernels/fused/block_operand.h"
#include "kernels/fused/block_program.h"

namespace metatape::kernels {

/// Elements of a block. Eight operands and four registers of it are 12 KiB of float: what is left
/// of an L1 cache of 32 KiB that two threads share. 512 took 1.4 times as long with five operands
/// to copy, 128 a tenth longer with none.
inline constexpr std::int64_t kBlockElements = 256;

/// Elements per block: whole rows where they fit, so that an operand which repeats row by row looks
/// the same in every block.
inline std::int64_t whole_rows(std::int64_t row) {
  return row < kBlockElements ? kBlockElements / row * row : kBlockElements;
}

/// The registers, and the copies of operands that are not contiguous. One for each walk, in which
/// the positions of any two blocks differ by a multiple of `step`.
template <class T>
class BlockEvaluator {
 public:
  BlockEvaluator(const FusedExpression& expression, const BlockOperands<T>& operands,
                 std::int64_t step)
      : expression_(expression), program_(expression), operands_(operands) {
    restart(step);
  }

  /// Another walk, perhaps after a change of the operands.
  void restart(std::int64_t step) {
    copied_ = {};
    for (int k = 0; k < expression_.operands; ++k)
      repeats_[k] = operands_[k].period > 0 && step % operands_[k].period == 0;
  }

  /// out[i] = the expression at element position + i of the operands' loops, i < count; count <=
  /// kBlockElements. `offsets` shifts each operand. out may be where a contiguous operand lies.
  void evaluate(const Offsets<kMaxFusedOperands>& offsets, std::int64_t position,
                std::int64_t count, T* out) {
    const T* slots[kMaxFusedOperands + kMaxFusedRegisters];
    T* results[kMaxFusedOperands + kMaxFusedRegisters];
    for (int k = 0; k < expression_.operands; ++k) slots[k] = load(k, offsets[k], position, count);
    for (int r = 0; r < expression_.registers; ++r)
      slots[expression_.operands + r] = results[expression_.operands + r] = registers_[r].data();
    program_.run(slots, results, count, out);
  }

 private:
  /// One cache line more than the block, so that rows do not compete for the same lines.
  using Row = std::array<T, kBlockElements + 64 / sizeof(T)>;

  /// What a copy of an operand holds: `count` elements that repeat in the positions [begin, end).
  struct Copied {
    std::int64_t offset = 0, begin = 0, end = 0, count = 0;
  };

  /// Where the block's elements of operand k stand one after the other: in the operand itself if
  /// they do so there, else in a copy. A copy that an earlier block made may serve again.
  const T* load(int k, std::int64_t offset, std::int64_t position, std::int64_t count) {
    const BlockOperand<T>& operand = operands_[k];
    if (operand.contiguous()) return operand.base + offset + position;
    Copied& have = copied_[k];
    T* const row = copies_[k].data();
    if (offset == have.offset && have.begin <= position && position + count <= have.end &&
        count <= have.count)
      return row;
    if (const T* run = inside_one_run(operand, offset, position, count)) return run;
    copy(operand, offset, position, count, row);
    have = {};
    if (repeats_[k]) {
      const std::int64_t end = (position / operand.repeated + 1) * operand.repeated;
      if (position + count <= end) have = {offset, position, end, count};
    }
    return row;
  }

  /// Blocks of a long row need no copy. One division: this is half the price of a short block.
  static const T* inside_one_run(const BlockOperand<T>& operand, std::int64_t offset,
                                 std::int64_t position, std::int64_t count) {
    const StridedLoop<1> inner = operand.loops.inner();
    if (operand.scattered || inner.strides[0] != 1 || operand.loops.rank() != 2 ||
        count > inner.extent)
      return nullptr;
    const std::int64_t row = position / inner.extent, column = position - row * inner.extent;
    if (column + count > inner.extent) return nullptr;
    return operand.base + offset + row * operand.loops[0].strides[0] + column;
  }

  static void copy(const BlockOperand<T>& operand, std::int64_t offset, std::int64_t position,
                   std::int64_t count, T* out) {
    const std::int64_t step = operand.loops.inner().strides[0];
    for_each_run(operand.loops, position, position + count,
                 [&](std::int64_t first, std::int64_t length, const Offsets<1>& run) {
                   if (operand.scattered)
                     return copy_scattered(operand.scattered, offset + run[0], step, length,
                                           out + (first - position));
                   const T* __restrict x = operand.base + offset + run[0];
                   T* __restrict y = out + (first - position);
                   if (step == 1)
                     for (std::int64_t i = 0; i < length; ++i) y[i] = x[i];
                   else if (step == 0)
                     for (std::int64_t i = 0; i < length; ++i) y[i] = x[0];
                   else
                     for (std::int64_t i = 0; i < length; ++i) y[i] = x[i * step];
                 });
  }

  static void copy_scattered(const ScatteredOperand<T>& operand, std::int64_t first,
                             std::int64_t step, std::int64_t length, T* out) {
    if (step == 1) return operand.copy(first, length, out);
    for (std::int64_t i = 0; i < length; ++i) operand.copy(first + i * step, 1, out + i);
  }

  const FusedExpression& expression_;
  const BlockProgram<T> program_;
  const BlockOperands<T>& operands_;
  std::array<Copied, kMaxFusedOperands> copied_{};
  std::array<bool, kMaxFusedOperands> repeats_{};  ///< a later block of the walk sees it again
  alignas(64) std::array<Row, kMaxFusedRegisters> registers_;
  alignas(64) std::array<Row, kMaxFusedOperands> copies_;
};

}  // namespace metatape::kernels
