// Convolution of images with few channels, whose filters are too small for a library's product of
// matrices to pay: forward and weight gradient in own loops. With i = (r, s, c),
//   y[p, k] = sum_i x[p, i] w[k, i],   w_bar[k, i] = sum_p x[p, i] y_bar[p, k],
// both add outer products of a few x and a few registers of neighbouring filters k to a tile of
// sums that stays in registers. No patch matrix: a line of results reads filter_height rows of x,
// which are copied side by side with their padding; x[p, i] is then at an offset that is a sum of
// one of p and one of i. The weight gradient is summed over the lines of a block, then over the
// blocks of a piece of a task, then over the pieces, each in order.

#include <omp.h>

#include <algorithm>
#include <type_traits>

#include "kernels/common/divisor.h"
#include "kernels/common/fetch_ahead.h"
#include "kernels/conv2d/conv2d_cpu.h"
#include "kernels/conv2d/extents.h"
#include "kernels/conv2d/lanes.h"
#include "kernels/conv2d/patches.h"
#include "kernels/conv2d/pieces.h"

namespace metatape::kernels {
namespace {

using std::int64_t;

/// The largest tile: of the 16 registers of AVX2, 12 hold sums, 3 an x each and 1 the filters.
constexpr int kMaxRows = 3, kMaxVectors = 4;

/// Results of a block of lines: 24 KB, which the L1 cache keeps while all tiles pass over them.
constexpr int64_t kBlockResults = 6144;

/// Pixels of a piece from which on its copy of the filters, or its partial sums, are a few percent.
constexpr int64_t kMinPiecePixels = 256;

void load(const float* from, Lanes& to) { to = *reinterpret_cast<const LooseLanes*>(from); }
void add(const float* from, Lanes& to) { to += *reinterpret_cast<const LooseLanes*>(from); }
void store(const Lanes& from, float* to) { *reinterpret_cast<LooseLanes*>(to) = from; }

/// kRows times kVectors sums. Their loops are unrolled early, or GCC 12 keeps them in memory.
template <int kRows, int kVectors>
class SumTile {
 public:
  /// sum[i, k] += x(i) values[k]
  template <class X>
  void add_outer_product(const X& x, const float* values) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      Lanes value;
      load(values + j * kLanes, value);
#pragma GCC unroll 3
      for (int i = 0; i < kRows; ++i) sum_[i][j] += x(i) * value;
    }
  }

  /// Calls visit(i, first k, sums) for each register.
  template <class Visit>
  void for_each(const Visit& visit) const {
#pragma GCC unroll 3
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) visit(i, j * kLanes, sum_[i][j]);
    }
  }

 private:
  Lanes sum_[kRows][kVectors]{};
};

/// Calls visit(begin, size) for parts of [begin, end), as many of `kSize` as there are and then the
/// rest, with the size as a constant.
template <int kSize, class Visit>
void for_each_part(int64_t begin, int64_t end, const Visit& visit) {
  for (; begin + kSize <= end; begin += kSize) visit(begin, std::integral_constant<int, kSize>{});
  if constexpr (kSize > 1) for_each_part<kSize - 1>(begin, end, visit);
}

/// The rows of x that lines of results read, side by side: how far apart things are.
struct LineLayout {
  explicit LineLayout(const Conv2dGeometry& g)
      : filters(g.filters),
        results(g.out_width()),
        terms(patch_size(g)),
        step(g.stride * g.channels),
        window(g.filter_width * g.channels),
        row((results - 1) * step + window),
        line(g.filter_height * row) {}

  int64_t filters;  ///< K
  int64_t results;  ///< Q
  int64_t terms;    ///< R S C
  int64_t step;     ///< from the window of a result to the next
  int64_t window;   ///< elements of a row of a window
  int64_t row;      ///< and of that row of all the windows of a line
  int64_t line;     ///< from a line to the next

  int64_t offset(int64_t term) const { return term / window * row + term % window; }
};

/// Copies what the lines read of x, with zeros for the padding.
void gather_lines(const Conv2dGeometry& g, Lines lines, const float* x, float* to) {
  const int64_t P = g.out_height(), row = LineLayout(g).row, image_row = g.width * g.channels;
  const int64_t left = std::min(g.pad * g.channels, row);
  const int64_t inside = std::min(image_row, row - left);
  for (int64_t line = lines.begin; line < lines.end; ++line) {
    const int64_t n = line / P, top = line % P * g.stride - g.pad;
    for (int64_t h = top; h < top + g.filter_height; ++h, to += row) {
      const bool is_inside = h >= 0 && h < g.height;
      std::fill_n(to, is_inside ? left : row, 0.0f);
      if (!is_inside) continue;
      std::copy_n(x + (n * g.height + h) * image_row, inside, to + left);
      std::fill(to + left + inside, to + row, 0.0f);
    }
  }
}

/// y of kPixels results, from the windows at x and the filters w [terms, filters].
template <int kPixels, int kVectors>
void sum_terms(const LineLayout& l, const float* x, const float* w, float* y) {
  SumTile<kPixels, kVectors> sums;
  for (int64_t row = 0; row < l.line; row += l.row)
    for (int64_t i = row; i < row + l.window; ++i, w += l.filters)
      sums.add_outer_product([&](int q) { return x[q * l.step + i]; }, w);
  sums.for_each([&](int q, int k, const Lanes& sum) { store(sum, y + q * l.filters + k); });
}

/// Adds the products of kTerms terms from `term` on, over the pixels of some lines, to sums [terms,
/// filters]. Inlined, it would have its addresses in memory: 5 % slower.
template <int kTerms, int kVectors>
[[gnu::noinline]] void sum_pixels(const LineLayout& l, int64_t lines, int64_t term, const float* x,
                                  const float* y_bar, float* sums) {
  SumTile<kTerms, kVectors> added;
  int64_t offset[kTerms];
  for (int i = 0; i < kTerms; ++i) offset[i] = l.offset(term + i);
  const int64_t results = l.results, filters = l.filters, step = l.step;
  for (int64_t line = 0; line < lines; ++line, x += l.line) {
    const float* window = x;
    for (int64_t q = 0; q < results; ++q, y_bar += filters, window += step)
      added.add_outer_product([&](int i) { return window[offset[i]]; }, y_bar);
  }
  added.for_each([&](int i, int k, const Lanes& of_lines) {
    float* to = sums + (term + i) * l.filters + k;
    Lanes sum = of_lines;
    add(to, sum);
    store(sum, to);
  });
}

int64_t task_lines(const Conv2dGeometry& g) { return g.images * g.out_height(); }

int64_t block_lines(const Conv2dGeometry& g) {
  return std::clamp<int64_t>(kBlockResults / (g.filters * g.out_width()), 1, task_lines(g));
}

int64_t block_elements(const Conv2dGeometry& g) { return block_lines(g) * LineLayout(g).line; }

int64_t task_pieces(const Conv2dGeometry& g) {
  const int64_t by_pixels = task_lines(g) * g.out_width() / kMinPiecePixels;
  return std::max<int64_t>(1, std::min({kPieces / g.tasks, by_pixels, task_lines(g)}));
}

/// Calls visit(lines) for the blocks of a piece of a task, in order.
template <class Visit>
void for_each_block(const Conv2dGeometry& g, int64_t piece, const Visit& visit) {
  const int64_t pieces = task_pieces(g), step = block_lines(g);
  const int64_t end = task_lines(g) * (piece + 1) / pieces;
  for (int64_t begin = task_lines(g) * piece / pieces; begin < end; begin += step)
    visit(Lines{begin, std::min(begin + step, end)});
}

}  // namespace

bool few_channels_supports(ConvMap map, const Conv2dGeometry& g) {
  return map != ConvMap::input_grad && g.filters % kLanes == 0 && multiply_adds(g) > 0;
}

void conv2d_few_channels(const Conv2dArgs<float>& args, const CpuContext& context) {
  const Conv2dGeometry& g = args.geometry;
  const LineLayout l(g);

  for_each_piece(g, task_pieces(g), context, [&](int64_t task, int64_t piece) {
    float* const filters =
        args.workspace + omp_get_thread_num() * (filter_elements(g) + block_elements(g));
    float* const block = filters + filter_elements(g);
    const float* w = args.w + task * args.w_task_stride;
    for (int64_t k = 0; k < l.filters; ++k)
      for (int64_t i = 0; i < l.terms; ++i) filters[i * l.filters + k] = *w++;

    for_each_block(g, piece, [&](Lines lines) {
      gather_lines(g, lines, args.x + task * args.x_task_stride, block);
      float* y = args.y + task * y_elements(g) + lines.begin * l.results * l.filters;
      for (int64_t line = 0; line < lines.end - lines.begin; ++line)
        for_each_part<kMaxRows>(0, l.results, [&](int64_t q, auto pixels) {
          for_each_part<kMaxVectors>(0, l.filters / kLanes, [&](int64_t vector, auto vectors) {
            const int64_t k = vector * kLanes;
            sum_terms<pixels, vectors>(l, block + line * l.line + q * l.step, filters + k,
                                       y + (line * l.results + q) * l.filters + k);
          });
        });
    });
  });
}

void conv2d_few_channels(const Conv2dWeightGradArgs<float>& args, const CpuContext& context) {
  const Conv2dGeometry& g = args.geometry;
  const LineLayout l(g);
  const int64_t pieces = task_pieces(g), vectors_of_task = l.filters / kLanes;
  const int64_t passes = ceil_div(vectors_of_task, kMaxVectors) * ceil_div(l.terms, kMaxRows);
  float* const partial = args.workspace;  // [tasks, pieces, terms, filters]
  float* const blocks = partial + g.tasks * pieces * filter_elements(g);

  for_each_piece(g, pieces, context, [&](int64_t task, int64_t piece) {
    float* const block = blocks + omp_get_thread_num() * block_elements(g);
    float* const sums = partial + (task * pieces + piece) * filter_elements(g);
    std::fill_n(sums, filter_elements(g), 0.0f);
    for_each_block(g, piece, [&](Lines lines) {
      gather_lines(g, lines, args.x + task * args.x_task_stride, block);
      const float* y_bar =
          args.y_bar + task * args.y_task_stride + lines.begin * l.results * l.filters;
      const int64_t elements = (lines.end - lines.begin) * l.results * l.filters;
      const int64_t next = std::min(elements, (task_lines(g) - lines.end) * l.results * l.filters);
      int64_t pass = 0;
      for_each_part<kMaxVectors>(0, vectors_of_task, [&](int64_t vector, auto vectors) {
        for_each_part<kMaxRows>(0, l.terms, [&](int64_t term, auto terms) {
          const int64_t from = next * pass / passes, to = next * ++pass / passes;
          fetch_ahead(y_bar + elements + from, to - from);
          const int64_t k = vector * kLanes;
          sum_pixels<terms, vectors>(l, lines.end - lines.begin, term, block, y_bar + k, sums + k);
        });
      });
    });
  });

  for_each_piece(g, vectors_of_task, context, [&](int64_t task, int64_t vector) {
    const float* from = partial + task * pieces * filter_elements(g) + vector * kLanes;
    float* to = args.w_bar + task * filter_elements(g) + vector * kLanes * l.terms;
    for (int64_t i = 0; i < l.terms; ++i, from += l.filters) {
      Lanes sum;
      load(from, sum);
      for (int64_t piece = 1; piece < pieces; ++piece) add(from + piece * filter_elements(g), sum);
      for (int lane = 0; lane < kLanes; ++lane) to[lane * l.terms + i] = sum[lane];
    }
  });
}

int64_t conv2d_few_channels_workspace(ConvMap map, const Conv2dGeometry& g,
                                      const CpuContext& context) {
  const int64_t filters = map == ConvMap::forward ? context.threads : g.tasks * task_pieces(g);
  return filters * filter_elements(g) + context.threads * block_elements(g);
}

}  // namespace metatape::kernels
