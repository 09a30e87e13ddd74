// Convolution and its two adjoints as matrix products with the patch matrix (patches.h):
//   y = patches w^T,   x_bar = scatter(y_bar w),   w_bar = y_bar^T patches.
// The patch matrix is built a block at a time and stays in the cache. NOTES.md: what was measured.

#include <omp.h>

#include <algorithm>

#include "kernels/common/blas.h"
#include "kernels/common/divisor.h"
#include "kernels/conv2d/conv2d_cpu.h"
#include "kernels/conv2d/extents.h"
#include "kernels/conv2d/patches.h"
#include "kernels/conv2d/pieces.h"

namespace metatape::kernels {
namespace {

/// Output pixels of one block of the patch matrix. 384 of them under 3x3 filters on 64 channels are
/// 0.9 MB, what one core's L2 cache holds. A small problem is cut finer, to keep kPieces threads
/// busy, but not below 128 pixels: the library packs the filters again for each block.
constexpr std::int64_t kBlockPixels = 384, kMinBlockPixels = 128;

/// The weight gradient sums over all pixels of a task. With fewer tasks than kPieces, each sum is
/// cut into partial ones of at least kMinPartialPixels (adding them up then costs less than 10 %),
/// which together have at most kMaxPartialElements (128 MiB of float).
constexpr std::int64_t kMinPartialPixels = 128;
constexpr std::int64_t kMaxPartialElements = 1 << 25;

std::int64_t task_lines(const Conv2dGeometry& g) { return g.images * g.out_height(); }

std::int64_t block_lines(const Conv2dGeometry& g) {
  const std::int64_t all_pixels = g.tasks * task_lines(g) * g.out_width();
  const std::int64_t pixels = std::clamp(all_pixels / kPieces, kMinBlockPixels, kBlockPixels);
  return std::max<std::int64_t>(1, pixels / g.out_width());
}

/// Elements of one thread's block of the patch matrix.
std::int64_t block_elements(const Conv2dGeometry& g) {
  if (patches_are_images(g)) return 0;
  const std::int64_t lines = std::min(block_lines(g), g.tasks * task_lines(g));
  return lines * g.out_width() * patch_size(g);
}

/// Dense images under shared filters are the images of one task.
Conv2dGeometry join_tasks(Conv2dGeometry g, bool images_are_dense, std::int64_t w_task_stride) {
  if (images_are_dense && w_task_stride == 0) {
    g.images *= g.tasks;
    g.tasks = 1;
  }
  return g;
}

/// Calls visit(block) for the blocks of the lines, in order.
template <class Visit>
void for_each_block(const Conv2dGeometry& g, Lines lines, Visit visit) {
  const std::int64_t step = block_lines(g);
  for (std::int64_t begin = lines.begin; begin < lines.end; begin += step) {
    visit(Lines{begin, std::min(begin + step, lines.end)});
  }
}

/// The block of the patch matrix: gathered into this thread's workspace, or x itself.
template <class T>
const T* patch_block(const Conv2dGeometry& g, Lines lines, const T* x, T* workspace) {
  if (patches_are_images(g)) return x + lines.begin * g.out_width() * patch_size(g);
  T* patches = workspace + omp_get_thread_num() * block_elements(g);
  gather_patches(g, lines, x, patches);
  return patches;
}

/// Partial sums of the weight gradient of one task.
std::int64_t weight_grad_pieces(const Conv2dGeometry& g) {
  const std::int64_t by_pixels = task_lines(g) * g.out_width() / kMinPartialPixels;
  const std::int64_t by_memory = kMaxPartialElements / (g.tasks * filter_elements(g));
  const std::int64_t pieces = std::min({kPieces / g.tasks, by_pixels, by_memory, task_lines(g)});
  return std::max<std::int64_t>(1, pieces);
}

}  // namespace

template <class T>
void conv2d_patches(const Conv2dArgs<T>& args, const CpuContext& context) {
  const bool x_is_dense = args.x_task_stride == x_elements(args.geometry);
  const Conv2dGeometry g = join_tasks(args.geometry, x_is_dense, args.w_task_stride);
  const std::int64_t step = block_lines(g);
  const std::int64_t blocks = ceil_div(task_lines(g), step);

  for_each_piece(g, blocks, context, [&](std::int64_t task, std::int64_t block) {
    const Lines lines{block * step, std::min((block + 1) * step, task_lines(g))};
    const std::int64_t pixel = lines.begin * g.out_width();
    gemm<T>({.transpose_b = true,
             .m = (lines.end - lines.begin) * g.out_width(),
             .n = g.filters,
             .k = patch_size(g),
             .a = patch_block(g, lines, args.x + task * args.x_task_stride, args.workspace),
             .lda = patch_size(g),
             .b = args.w + task * args.w_task_stride,
             .ldb = patch_size(g),
             .c = args.y + task * y_elements(g) + pixel * g.filters,
             .ldc = g.filters});
  });
}

template <class T>
void conv2d_patches(const Conv2dInputGradArgs<T>& args, const CpuContext& context) {
  const bool y_is_dense = args.y_task_stride == y_elements(args.geometry);
  const Conv2dGeometry g = join_tasks(args.geometry, y_is_dense, args.w_task_stride);
  const std::int64_t P = g.out_height(), Q = g.out_width();
  const std::int64_t image_elements = g.height * g.width * g.channels;
  // Windows overlap within an image: one piece adds all the patches of its images, in order.
  const std::int64_t piece_images = std::max<std::int64_t>(1, block_lines(g) / P);

  for_each_piece(g, ceil_div(g.images, piece_images), context, [&](auto task, auto piece) {
    const std::int64_t first = piece * piece_images;
    const std::int64_t last = std::min(first + piece_images, g.images);
    T* x_bar = args.x_bar + task * x_elements(g);
    if (!patches_are_images(g)) {
      std::fill(x_bar + first * image_elements, x_bar + last * image_elements, T(0));
    }
    for_each_block(g, {first * P, last * P}, [&](Lines lines) {
      const std::int64_t pixel = lines.begin * Q;
      T* patches = patches_are_images(g)
                       ? x_bar + pixel * patch_size(g)
                       : args.workspace + omp_get_thread_num() * block_elements(g);
      gemm<T>({.m = (lines.end - lines.begin) * Q,
               .n = patch_size(g),
               .k = g.filters,
               .a = args.y_bar + task * args.y_task_stride + pixel * g.filters,
               .lda = g.filters,
               .b = args.w + task * args.w_task_stride,
               .ldb = patch_size(g),
               .c = patches,
               .ldc = patch_size(g)});
      if (!patches_are_images(g)) scatter_patches(g, lines, patches, x_bar);
    });
  });
}

template <class T>
void conv2d_patches(const Conv2dWeightGradArgs<T>& args, const CpuContext& context) {
  const Conv2dGeometry& g = args.geometry;
  const std::int64_t pieces = weight_grad_pieces(g);
  T* partial = pieces == 1 ? args.w_bar : args.workspace;  // [tasks, pieces, K, R S C]
  T* patches =
      pieces == 1 ? args.workspace : args.workspace + g.tasks * pieces * filter_elements(g);

  for_each_piece(g, pieces, context, [&](std::int64_t task, std::int64_t piece) {
    const Lines all{task_lines(g) * piece / pieces, task_lines(g) * (piece + 1) / pieces};
    for_each_block(g, all, [&](Lines lines) {
      const std::int64_t pixel = lines.begin * g.out_width();
      gemm<T>({.transpose_a = true,
               .m = g.filters,
               .n = patch_size(g),
               .k = (lines.end - lines.begin) * g.out_width(),
               .a = args.y_bar + task * args.y_task_stride + pixel * g.filters,
               .lda = g.filters,
               .b = patch_block(g, lines, args.x + task * args.x_task_stride, patches),
               .ldb = patch_size(g),
               .beta = T(lines.begin == all.begin ? 0 : 1),
               .c = partial + (task * pieces + piece) * filter_elements(g),
               .ldc = patch_size(g)});
    });
  });
  if (pieces == 1) return;

  for_each_piece(g, g.filters, context, [&](std::int64_t task, std::int64_t filter) {
    T* sum = args.w_bar + task * filter_elements(g) + filter * patch_size(g);
    const T* terms = partial + task * pieces * filter_elements(g) + filter * patch_size(g);
    std::copy_n(terms, patch_size(g), sum);
    for (std::int64_t piece = 1; piece < pieces; ++piece) {
      const T* term = terms + piece * filter_elements(g);
      for (std::int64_t i = 0; i < patch_size(g); ++i) sum[i] += term[i];
    }
  });
}

std::int64_t conv2d_patches_workspace(ConvMap map, const Conv2dGeometry& g,
                                      const CpuContext& context) {
  const std::int64_t blocks = context.threads * block_elements(g);
  const std::int64_t pieces = map == ConvMap::weight_grad ? weight_grad_pieces(g) : 1;
  return blocks + (pieces == 1 ? 0 : g.tasks * pieces * filter_elements(g));
}

template void conv2d_patches(const Conv2dArgs<float>&, const CpuContext&);
template void conv2d_patches(const Conv2dArgs<double>&, const CpuContext&);
template void conv2d_patches(const Conv2dInputGradArgs<float>&, const CpuContext&);
template void conv2d_patches(const Conv2dInputGradArgs<double>&, const CpuContext&);
template void conv2d_patches(const Conv2dWeightGradArgs<float>&, const CpuContext&);
template void conv2d_patches(const Conv2dWeightGradArgs<double>&, const CpuContext&);

}  // namespace metatape::kernels
