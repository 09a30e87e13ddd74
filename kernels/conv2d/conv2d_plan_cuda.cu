#include <algorithm>
#include <iterator>

#include "kernels/common/cuda_context.h"
#include "kernels/common/divisor.h"
#include "kernels/conv2d/conv2d_plan.h"

namespace metatape::kernels {
namespace {

/// Reductions up to this are left to the ordinary units: a tensor core would pad 9 terms (3x3
/// filters on one channel) to 16 and take three products of each.
constexpr std::int64_t kFewTerms = 16;

/// Of an H100, which the cut is made for. Other GPUs run the same cut.
constexpr std::int64_t kMultiprocessors = 132;

/// What a block costs besides its reduction, in terms of it: filling the pipeline, and for a
/// partial sum writing and reading it (32 KiB for 64x64, as much as the operands of 64 terms).
constexpr std::int64_t kStartTerms = 32, kPartialSumTerms = 64;

/// Terms of a part of a cut reduction: at least, and a multiple of (the deepest tile).
constexpr std::int64_t kMinPartTerms = 64, kPartUnit = 32;

std::int64_t pixels(const Conv2dGeometry& g) { return g.images * g.out_height() * g.out_width(); }

Conv2dGeometry joined(Conv2dGeometry g) {
  g.images *= g.tasks;
  g.tasks = std::min<std::int64_t>(g.tasks, 1);
  return g;
}

/// A product of `batches` pairs of matrices, [rows, terms] and [columns, terms].
struct Products {
  std::int64_t batches, rows, columns, terms;
};

/// A shape and what one of its blocks costs: its elements, times what smaller tiles read more often
/// from shared memory. The factors 1, 1.1 and 1.5 are estimates.
struct ShapeCost {
  BlockShape shape;
  std::int64_t rows, columns;
  double cost;
};
constexpr ShapeCost kShapes[] = {{BlockShape::r128c64, 128, 64, 1.0 * 128 * 64},
                                 {BlockShape::r64c64, 64, 64, 1.1 * 64 * 64},
                                 {BlockShape::r32c32, 32, 32, 1.5 * 32 * 32}};

std::int64_t blocks(const Products& p, const ShapeCost& s) {
  return p.batches * ceil_div(p.rows, s.rows) * ceil_div(p.columns, s.columns);
}

/// The cheapest shape: time is that of the multiprocessor with the most blocks, or where the
/// reduction can be cut to even that out, that of all blocks.
const ShapeCost& cheapest_shape(const Products& p, bool is_cut) {
  const auto cost = [&](const ShapeCost& s) {
    return s.cost * double(is_cut ? blocks(p, s) : ceil_div(blocks(p, s), kMultiprocessors));
  };
  return *std::min_element(std::begin(kShapes), std::end(kShapes),
                           [&](const auto& s, const auto& t) { return cost(s) < cost(t); });
}

/// Terms of each part; the last one has the rest.
std::int64_t part_terms(std::int64_t terms, std::int64_t parts) {
  return std::max<std::int64_t>(1, ceil_div(ceil_div(terms, parts), kPartUnit)) * kPartUnit;
}

/// Parts of each reduction, for the multiprocessor with the most blocks to be done first.
std::int64_t cheapest_parts(std::int64_t terms, std::int64_t uncut_blocks) {
  std::int64_t best = 1, least = 0;
  for (std::int64_t n = 1; n == 1 || n <= std::min(terms / kMinPartTerms, kMultiprocessors); ++n) {
    const std::int64_t block = part_terms(terms, n) + kStartTerms + (n > 1 ? kPartialSumTerms : 0);
    const std::int64_t cost = ceil_div(uncut_blocks * n, kMultiprocessors) * block;
    if (n == 1 || cost < least) best = n, least = cost;
  }
  return best;
}

Arithmetic arithmetic_for(const Products& p, Precision precision) {
  if (p.terms <= kFewTerms) return Arithmetic::fma;
  return precision == Precision::tf32 ? Arithmetic::tf32 : Arithmetic::compensated;
}

Conv2dPlan plan_for(const Products& p, Precision precision) {
  return {.arithmetic = arithmetic_for(p, precision), .shape = cheapest_shape(p, false).shape};
}

}  // namespace

Conv2dPlan plan_conv2d(const Conv2dGeometry& g, Precision precision) {
  return plan_for({.batches = g.tasks,
                   .rows = pixels(g),
                   .columns = g.filters,
                   .terms = g.filter_height * g.filter_width * g.channels},
                  precision);
}

Conv2dPlan plan_conv2d_input_grad(const Conv2dGeometry& g, Precision precision) {
  const std::int64_t s = g.stride;
  return plan_for({.batches = g.tasks * s * s,
                   .rows = g.images * ceil_div(g.height, s) * ceil_div(g.width, s),
                   .columns = g.channels,
                   .terms = ceil_div(g.filter_height, s) * ceil_div(g.filter_width, s) * g.filters},
                  precision);
}

Conv2dPlan plan_conv2d_weight_grad(const Conv2dGeometry& g, Precision precision) {
  const Products p{.batches = g.tasks,
                   .rows = g.filters,
                   .columns = g.filter_height * g.filter_width * g.channels,
                   .terms = pixels(g)};
  const ShapeCost& shape = cheapest_shape(p, true);
  const std::int64_t parts = cheapest_parts(p.terms, blocks(p, shape));
  return {.arithmetic = arithmetic_for(p, precision),
          .shape = shape.shape,
          .parts = std::max<std::int64_t>(1, ceil_div(p.terms, part_terms(p.terms, parts)))};
}

std::int64_t part_pixels(const Conv2dGeometry& g, std::int64_t parts) {
  return part_terms(pixels(g), parts);
}

std::int64_t conv2d_workspace_elements(const Conv2dGeometry&, const CudaContext&) { return 0; }

std::int64_t conv2d_input_grad_workspace_elements(const Conv2dGeometry&, const CudaContext&) {
  return 0;
}

std::int64_t conv2d_weight_grad_workspace_elements(const Conv2dGeometry& g, const CudaContext& c) {
  const std::int64_t parts = plan_conv2d_weight_grad(g, c.precision).parts;
  const std::int64_t elements = g.tasks * g.filters * g.filter_height * g.filter_width * g.channels;
  return parts == 1 ? 0 : parts * elements;
}

Conv2dGeometry join_tasks(const Conv2dArgs<float>& args) {
  const Conv2dGeometry& g = args.geometry;
  const bool is_dense = args.x_task_stride == g.images * g.height * g.width * g.channels;
  return is_dense && args.w_task_stride == 0 ? joined(g) : g;
}

Conv2dGeometry join_tasks(const Conv2dInputGradArgs<float>& args) {
  const Conv2dGeometry& g = args.geometry;
  const bool is_dense = args.y_task_stride == pixels(g) * g.filters;
  return is_dense && args.w_task_stride == 0 ? joined(g) : g;
}

}  // namespace metatape::kernels
