// Convolution with 3x3 filters and stride 1 by Winograd's F(4x4, 3x3) (winograd.h has the algebra):
// per task and block of tiles, the tiles go to 36 points, one matrix product per point sums over
// the channels, and the products come back as results. A block stays in the cache.
//
// The input gradient is the convolution of y_bar with flipped filters whose channels are exchanged.
// The weight gradient sums its products over the tiles of a piece of a task, then over the pieces
// in order.

#include <omp.h>

#include <algorithm>

#include "kernels/common/blas.h"
#include "kernels/common/divisor.h"
#include "kernels/conv2d/conv2d_cpu.h"
#include "kernels/conv2d/extents.h"
#include "kernels/conv2d/pieces.h"
#include "kernels/conv2d/winograd.h"
#include "kernels/conv2d/winograd_tiles.h"

namespace metatape::kernels {
namespace {

using namespace winograd;
using std::int64_t;

/// Tiles of one block: with 64 channels its points are 0.44 MB, which leaves half of a core's L2
/// cache to the filters. Those are read again for each block: with more channels a block has more
/// tiles. A task has four blocks of one size, or a multiple, for the threads.
constexpr int64_t kMinBlockTiles = 24, kBlocks = 4;
int64_t block_tiles(int64_t tiles, int64_t in, int64_t out) {
  const int64_t most = std::max(kMinBlockTiles, 3 * (in + out) / 16);
  const int64_t blocks = ceil_div(ceil_div(tiles, most), kBlocks) * kBlocks;
  return std::min(std::max(kMinBlockTiles, ceil_div(tiles, blocks)), tiles);
}

/// The weight gradient of a task is summed in pieces of at least this many tiles, which cost 20
/// times what adding up the partial sums does, of at most 64 MiB in all.
constexpr int64_t kMinPieceTiles = 256;
constexpr int64_t kMaxPartialElements = 1 << 24;

/// Elements of workspace of correlate() without those of its threads, and of each thread.
int64_t filter_points(int64_t in, int64_t out) { return kProducts * points_stride(in, out); }
int64_t block_points(const TileGrid& grid, int64_t in, int64_t out) {
  const int64_t tiles = block_tiles(grid.count(), in, out);
  return kProducts * (points_stride(tiles, in) + points_stride(tiles, out));
}

/// What forward convolution and input gradient are: y = x correlated with w, x padded by `pad`.
struct Correlation {
  Images<const float> x;
  int64_t x_task_stride;
  Filters w;
  int64_t w_task_stride;
  Images<float> y;
  int64_t y_task_stride;
  int64_t pad;
  float* workspace;
};

/// Whether a thread transforms the filters of a task just before it uses them, which keeps them in
/// its cache, instead of all threads those of all tasks first. The results are the same.
bool is_by_task(int64_t tasks, const CpuContext& context) {
  return tasks % context.threads == 0 || tasks >= 4 * context.threads;
}

/// Tiles of a task that are computed together.
struct Block {
  int64_t begin, end;
};

/// The results of a block of a task, while what the thread needs next is fetched. `own` has room
/// for block_points().
void correlate_block(const Correlation& a, const TileGrid& grid, int64_t task, const Block& block,
                     const Block& next, const Points& filters, float* own) {
  const auto [begin, end] = block;
  const int64_t in = a.x.channels, out = a.y.channels;
  const Points pixels{own, in, points_stride(end - begin, in)};
  const Points sums{own + kProducts * pixels.stride, out, points_stride(end - begin, out)};
  Images<const float> x = a.x;
  x.data += task * a.x_task_stride;
  Images<float> y = a.y;
  y.data += task * a.y_task_stride;

  pixels_to_points<kTile>(x, grid, begin, end, a.pad, PixelsToPoints{}, pixels);
  for (int point = 0; point < kProducts; ++point) {
    fetch_tiles(y, kResults, grid, begin, end, 0, point, kProducts);
    fetch_tiles(x, kTile, grid, next.begin, next.end, a.pad, point, kProducts);
    gemm<float>({.m = end - begin,
                 .n = out,
                 .k = in,
                 .a = pixels.at(point),
                 .lda = in,
                 .b = filters.at(point),
                 .ldb = out,
                 .c = sums.at(point),
                 .ldc = out});
  }
  points_to_results(sums, grid, begin, end, y);
}

void correlate(const Correlation& a, const Conv2dGeometry& g, const CpuContext& context) {
  const int64_t in = a.x.channels, out = a.y.channels;
  const TileGrid grid{a.y.count, a.y.height, a.y.width};
  const int64_t step = block_tiles(grid.count(), in, out), blocks = ceil_div(grid.count(), step);
  const bool shared = a.w_task_stride == 0, by_task = !shared && is_by_task(g.tasks, context);
  const int64_t filter_sets = by_task ? context.threads : shared ? 1 : g.tasks;
  float* const room = a.workspace + filter_sets * filter_points(in, out);

  auto filters_in = [&](int64_t set) {
    return Points{a.workspace + set * filter_points(in, out), out, points_stride(in, out)};
  };
  auto transform = [&](int64_t task, int64_t line, const Points& filters) {
    Filters w = a.w;
    w.data += task * a.w_task_stride;
    taps_to_points(w, in, line * kLine, std::min((line + 1) * kLine, out), filters);
  };
  auto tiles_of = [&](int64_t block) {
    return Block{std::min(block * step, grid.count()), std::min((block + 1) * step, grid.count())};
  };
  auto visit_block = [&](int64_t task, int64_t block, int64_t next, const Points& filters) {
    correlate_block(a, grid, task, tiles_of(block), tiles_of(next), filters,
                    room + omp_get_thread_num() * block_points(grid, in, out));
  };

  // A cache line of columns at once, so that none is written twice.
  const int64_t lines = ceil_div(out, kLine);
  if (by_task) {
    for_each_piece(g, 1, context, [&](int64_t task, int64_t) {
      const Points filters = filters_in(omp_get_thread_num());
      for (int64_t line = 0; line < lines; ++line) transform(task, line, filters);
      for (int64_t block = 0; block < blocks; ++block) visit_block(task, block, block + 1, filters);
    });
    return;
  }
  Conv2dGeometry sets = g;
  sets.tasks = filter_sets;
  for_each_piece(sets, lines, context,
                 [&](int64_t set, int64_t line) { transform(set, line, filters_in(set)); });
  for_each_piece(g, blocks, context, [&](int64_t task, int64_t block) {
    visit_block(task, block, block + context.threads, filters_in(shared ? 0 : task));
  });
}

int64_t correlate_workspace(const TileGrid& grid, int64_t tasks, int64_t in, int64_t out,
                            const CpuContext& context) {
  const int64_t filter_sets = is_by_task(tasks, context) ? context.threads : tasks;
  return filter_sets * filter_points(in, out) + context.threads * block_points(grid, in, out);
}

TileGrid result_grid(const Conv2dGeometry& g) { return {g.images, g.out_height(), g.out_width()}; }

/// Pieces of the tiles of one task, of which each has partial sums of the weight gradient.
int64_t weight_grad_pieces(const Conv2dGeometry& g) {
  const int64_t by_tiles = result_grid(g).count() / kMinPieceTiles;
  const int64_t by_memory = kMaxPartialElements / (g.tasks * kProducts * g.filters * g.channels);
  return std::max<int64_t>(1, std::min({ceil_div(kPieces, g.tasks), by_tiles, by_memory}));
}

/// Parts of the filters, where there are few pieces for the threads. Each takes the tiles of x to
/// their points again, which with 128 filters is a tenth of the work.
int64_t weight_grad_slabs(const Conv2dGeometry& g) {
  constexpr int64_t kFilters = 128, kEnough = 4;
  return std::min(ceil_div(g.filters, kFilters),
                  ceil_div(kEnough, g.tasks * weight_grad_pieces(g)));
}

int64_t partial_sums(const Conv2dGeometry& g, const CpuContext& context) {
  const int64_t pieces = weight_grad_pieces(g);
  return pieces == 1 ? context.threads : g.tasks * pieces * weight_grad_slabs(g);
}

/// Elements of the partial sums of a slab.
int64_t partial_points(const Conv2dGeometry& g) {
  return kProducts * points_stride(ceil_div(g.filters, weight_grad_slabs(g)), g.channels);
}

}  // namespace

bool winograd_supports(const Conv2dGeometry& g) {
  return g.filter_height == kTaps && g.filter_width == kTaps && g.stride == 1 && g.pad < kTaps &&
         multiply_adds(g) > 0;
}

void conv2d_winograd(const Conv2dArgs<float>& args, const CpuContext& context) {
  const Conv2dGeometry& g = args.geometry;
  const int64_t C = g.channels;
  correlate({.x = {args.x, g.images, g.height, g.width, C},
             .x_task_stride = args.x_task_stride,
             .w = {args.w, kTaps * C, C, 1, kTaps * kTaps * C},
             .w_task_stride = args.w_task_stride,
             .y = {args.y, g.images, g.out_height(), g.out_width(), g.filters},
             .y_task_stride = y_elements(g),
             .pad = g.pad,
             .workspace = args.workspace},
            g, context);
}

void conv2d_winograd(const Conv2dInputGradArgs<float>& args, const CpuContext& context) {
  const Conv2dGeometry& g = args.geometry;
  const int64_t C = g.channels;
  const float* last_tap = args.w + (kTaps * kTaps - 1) * C;
  correlate({.x = {args.y_bar, g.images, g.out_height(), g.out_width(), g.filters},
             .x_task_stride = args.y_task_stride,
             .w = {last_tap, -kTaps * C, -C, kTaps * kTaps * C, 1},
             .w_task_stride = args.w_task_stride,
             .y = {args.x_bar, g.images, g.height, g.width, C},
             .y_task_stride = x_elements(g),
             .pad = kTaps - 1 - g.pad,
             .workspace = args.workspace},
            g, context);
}

void conv2d_winograd(const Conv2dWeightGradArgs<float>& args, const CpuContext& context) {
  const Conv2dGeometry& g = args.geometry;
  const int64_t C = g.channels, K = g.filters;
  const int64_t pieces = weight_grad_pieces(g), slabs = weight_grad_slabs(g);
  const int64_t slab_filters = ceil_div(K, slabs);
  const TileGrid grid = result_grid(g);
  const int64_t step = block_tiles(grid.count(), C, K);
  float* const room = args.workspace + partial_sums(g, context) * partial_points(g);
  auto partial = [&](int64_t index) {
    return Points{args.workspace + index * partial_points(g), C, points_stride(slab_filters, C)};
  };

  /// The products of a slab of filters in a piece of a task, summed over its tiles.
  auto sum_tiles = [&](int64_t task, int64_t piece, int64_t slab, const Points& sums) {
    const int64_t first_filter = slab * slab_filters;
    const int64_t filters = std::min(slab_filters, K - first_filter);
    const Images<const float> x{args.x + task * args.x_task_stride, g.images, g.height, g.width, C};
    const Images<const float> y_bar{args.y_bar + task * args.y_task_stride + first_filter,
                                    g.images,
                                    g.out_height(),
                                    g.out_width(),
                                    filters,
                                    K};
    float* const own = room + omp_get_thread_num() * block_points(grid, C, K);
    const Points pixels{own, C, points_stride(step, C)};
    const Points results{own + kProducts * pixels.stride, filters, points_stride(step, filters)};
    const int64_t first = grid.count() * piece / pieces, last = grid.count() * (piece + 1) / pieces;

    for (int64_t begin = first; begin < last; begin += step) {
      const int64_t end = std::min(begin + step, last), next_end = std::min(end + step, last);
      pixels_to_points<kTile>(x, grid, begin, end, g.pad, PixelsToPoints{}, pixels);
      pixels_to_points<kResults>(y_bar, grid, begin, end, 0, ResultsToPoints{}, results);
      for (int point = 0; point < kProducts; ++point) {
        fetch_tiles(x, kTile, grid, end, next_end, g.pad, point, kProducts);
        fetch_tiles(y_bar, kResults, grid, end, next_end, 0, point, kProducts);
        gemm<float>({.transpose_a = true,
                     .m = filters,
                     .n = C,
                     .k = end - begin,
                     .a = results.at(point),
                     .lda = filters,
                     .b = pixels.at(point),
                     .ldb = C,
                     .beta = begin == first ? 0.0f : 1.0f,
                     .c = sums.at(point),
                     .ldc = C});
      }
    }
  };
  /// One filter's gradient from the sums of all pieces, in order.
  auto sum_pieces = [&](int64_t task, int64_t filter, int64_t first_index) {
    float* w_bar = args.w_bar + task * filter_elements(g) + filter * kTaps * kTaps * C;
    const int64_t row = filter % slab_filters;
    for_each_lanes(C, [&](int64_t c, auto lanes) {
      Tile<kTile> sum, term;
      Tile<kTaps> taps;
      load_points(partial(first_index), row, c, lanes, sum);
      for (int64_t piece = 1; piece < pieces; ++piece) {
        load_points(partial(first_index + piece), row, c, lanes, term);
        for (int i = 0; i < kTile; ++i)
          for (int j = 0; j < kTile; ++j) sum[i][j] += term[i][j];
      }
      transform_tile(PointsToTaps{}, sum, taps);
      for (int r = 0; r < kTaps; ++r)
        for (int s = 0; s < kTaps; ++s) lanes.store(taps[r][s], w_bar + (r * kTaps + s) * C + c);
    });
  };

  if (pieces == 1) {
    for_each_piece(g, slabs, context, [&](int64_t task, int64_t slab) {
      const int thread = omp_get_thread_num();
      sum_tiles(task, 0, slab, partial(thread));
      const int64_t end = std::min(K, (slab + 1) * slab_filters);
      for (int64_t filter = slab * slab_filters; filter < end; ++filter)
        sum_pieces(task, filter, thread);
    });
    return;
  }
  auto first_partial = [&](int64_t task, int64_t slab) { return (task * slabs + slab) * pieces; };
  for_each_piece(g, slabs * pieces, context, [&](int64_t task, int64_t index) {
    const int64_t slab = index / pieces, piece = index % pieces;
    sum_tiles(task, piece, slab, partial(first_partial(task, slab) + piece));
  });
  for_each_piece(g, K, context, [&](int64_t task, int64_t filter) {
    sum_pieces(task, filter, first_partial(task, filter / slab_filters));
  });
}

int64_t conv2d_winograd_workspace(ConvMap map, const Conv2dGeometry& g, const CpuContext& context) {
  const TileGrid pixels{g.images, g.height, g.width};
  const int64_t C = g.channels, K = g.filters;
  switch (map) {
    case ConvMap::forward:
      return correlate_workspace(result_grid(g), g.tasks, C, K, context);
    case ConvMap::input_grad:
      return correlate_workspace(pixels, g.tasks, K, C, context);
    case ConvMap::weight_grad:
      break;
  }
  return partial_sums(g, context) * partial_points(g) +
         context.threads * block_points(result_grid(g), C, K);
}

}  // namespace metatape::kernels
