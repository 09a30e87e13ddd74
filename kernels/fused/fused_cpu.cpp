#include "kernels/common/streamed_store.h"
#include "kernels/fused/block_evaluator.h"
#include "kernels/reduce/sum_order.h"

namespace metatape::kernels {

namespace {

constexpr Offsets<kMaxFusedOperands> kNoOffsets{};

std::int64_t innermost_extent(const LoopNest& nest) {
  std::int64_t extent = 1;
  for (int d = 0; d < nest.rank; ++d)
    if (nest.extents[d] > 1) extent = nest.extents[d];
  return extent;
}

template <class T>
bool overwrites(const FusedArgs<T>& args) {
  return std::find(args.operands.begin(), args.operands.end(), args.y) != args.operands.end();
}

/// The terms of a sum, a block at a time, added in the order of kernels/reduce.
template <class T>
class FusedSummation {
 public:
  explicit FusedSummation(const FusedSumArgs<T>& args)
      : args_(args.terms),
        reduced_(args.reduced),
        workspace_(args.workspace),
        cut_(args_.loops, reduced_),
        kept_(canonical_loops<kMaxFusedOperands>(args_.loops, args_.strides, ~reduced_)) {}

  void run(const CpuContext& context) const {
    const std::int64_t elements = cut_.outputs * cut_.terms;
    if (elements == 0) {
      std::fill_n(args_.y, cut_.outputs, T(0));
      return;
    }
    parallel_for(cut_.chunks * cut_.segments, elements, context, [&](std::int64_t item) {
      const std::int64_t segment = item % cut_.segments;
      const std::int64_t begin = item / cut_.segments * cut_.chunk;
      const std::int64_t end = std::min(cut_.outputs, begin + cut_.chunk);
      T* sums = cut_.segments == 1 ? args_.y : workspace_ + segment * cut_.outputs;
      cut_.innermost_is_reduced ? add_terms(segment, begin, end, sums)
                                : add_rows(segment, begin, end, sums);
    });
    if (cut_.segments > 1) add_segments(cut_, workspace_, args_.y, context);
  }

 private:
  /// The rows of a segment, each of `columns` neighbouring outputs.
  BlockOperands<T> rows_of(std::int64_t columns) const {
    BlockOperands<T> operands;
    for (int k = 0; k < args_.expression.operands; ++k) {
      StridedLoops<1> loops;
      append_loops(args_, k, reduced_, loops);
      loops.append({columns, {kept_.inner().strides[k]}});
      operands[k] = block_operand(args_, k, loops);
    }
    return operands;
  }

  void add_rows(std::int64_t segment, std::int64_t begin, std::int64_t end, T* sums) const {
    BlockOperands<T> operands;
    BlockEvaluator<T> evaluator(args_.expression, operands, 1);
    std::int64_t columns = 0;
    for_each_run(kept_, begin, end, [&](std::int64_t first, std::int64_t length, auto& offsets) {
      if (length != columns) {
        columns = length;
        operands = rows_of(columns);
        evaluator.restart(columns <= kBlockElements ? columns : 1);
      }
      const std::int64_t last = cut_.end_term(segment);
      const std::int64_t rows = std::max<std::int64_t>(4, kBlockElements / columns / 4 * 4);
      // The first row stands alone, the others are added four at a time.
      for (std::int64_t row = cut_.first_term(segment), next; row < last; row = next) {
        const bool is_first = row == cut_.first_term(segment);
        next = std::min(last, row + (is_first ? rows - 3 : rows));
        for (std::int64_t c = 0; c < columns; c += kBlockElements)
          add_piece(evaluator, offsets, {row, next, c, columns}, is_first, sums + first + c);
      }
    });
  }

  /// Columns from `column` on, a block of them at most, in some rows of `columns`.
  struct Piece {
    std::int64_t row, end_row, column, columns;
  };

  void add_piece(BlockEvaluator<T>& evaluator, const Offsets<kMaxFusedOperands>& offsets,
                 const Piece& piece, bool is_first, T* __restrict y) const {
    const std::int64_t width = std::min(kBlockElements, piece.columns - piece.column);
    const std::int64_t together = std::max<std::int64_t>(1, kBlockElements / piece.columns);
    std::array<T, 4 * kBlockElements> terms;
    std::int64_t rows = piece.end_row - piece.row;
    for (std::int64_t r = 0; r < rows; r += together)
      evaluator.evaluate(offsets, (piece.row + r) * piece.columns + piece.column,
                         std::min(together, rows - r) * width, terms.data() + r * width);
    const T* t = terms.data();
    if (is_first) {
      std::copy_n(t, width, y);
      t += width, --rows;
    }
    for (; rows >= 4; rows -= 4, t += 4 * width) {
      const T *t1 = t + width, *t2 = t1 + width, *t3 = t2 + width;
      for (std::int64_t c = 0; c < width; ++c) y[c] += (t[c] + t1[c]) + (t2[c] + t3[c]);
    }
    for (; rows > 0; --rows, t += width)
      for (std::int64_t c = 0; c < width; ++c) y[c] += t[c];
  }

  void add_terms(std::int64_t segment, std::int64_t begin, std::int64_t end, T* sums) const {
    const BlockOperands<T> operands = operands_along(args_, ~reduced_, reduced_);
    const std::int64_t first = cut_.first_term(segment), count = cut_.end_term(segment) - first;
    // Short sums share a block; their terms follow each other because there is one segment.
    const std::int64_t together =
        cut_.segments == 1 ? std::max<std::int64_t>(1, kBlockElements / count) : 1;
    const bool whole_sums = cut_.segments == 1 && count <= kBlockElements;
    BlockEvaluator<T> evaluator(args_.expression, operands, whole_sums ? count : 1);
    std::array<T, kLaneSegment> terms;
    for (std::int64_t output = begin; output < end; output += together) {
      const std::int64_t outputs = std::min(together, end - output);
      for (std::int64_t i = 0; i < outputs * count; i += kBlockElements)
        evaluator.evaluate(kNoOffsets, output * cut_.terms + first + i,
                           std::min(kBlockElements, outputs * count - i), terms.data() + i);
      for (std::int64_t o = 0; o < outputs; ++o)
        sums[output + o] =
            sum_lanes<T>(count, [&](std::int64_t i) { return terms[o * count + i]; });
    }
  }

  const FusedArgs<T>& args_;
  const unsigned reduced_;
  T* const workspace_;
  const SumCut cut_;
  const StridedLoops<kMaxFusedOperands> kept_;
};

}  // namespace

template <class T>
void fused(const FusedArgs<T>& args, const CpuContext& context) {
  const std::int64_t count = args.loops.count();
  if (count == 0) return;
  const BlockOperands<T> operands = operands_along(args, kAllLoops, 0);
  const std::int64_t row = std::min(innermost_extent(args.loops), kBlockElements);
  const std::int64_t block = whole_rows(row);
  const bool streams = count * std::int64_t(sizeof(T)) >= kStreamedBytes && !overwrites(args);
  parallel_pieces(count, context, [&](std::int64_t begin, std::int64_t end) {
    BlockEvaluator<T> evaluator(args.expression, operands, row);
    std::array<T, kBlockElements> values;
    for (std::int64_t position = begin; position < end; position += block) {
      const std::int64_t length = std::min(block, end - position);
      evaluator.evaluate(kNoOffsets, position, length, streams ? values.data() : args.y + position);
      if (streams) store_streamed(values.data(), length, args.y + position);
    }
    if (streams) end_streaming();
  });
}

template <class T>
void fused_sum(const FusedSumArgs<T>& args, const CpuContext& context) {
  FusedSummation<T>(args).run(context);
}

std::int64_t fused_sum_workspace_elements(const LoopNest& nest, unsigned reduced,
                                          const CpuContext&) {
  return SumCut(nest, reduced).workspace();
}

#define MT_INSTANTIATE(T)                                      \
  template void fused(const FusedArgs<T>&, const CpuContext&); \
  template void fused_sum(const FusedSumArgs<T>&, const CpuContext&);
MT_INSTANTIATE(float)
MT_INSTANTIATE(double)
#undef MT_INSTANTIATE

}  // namespace metatape::kernels
