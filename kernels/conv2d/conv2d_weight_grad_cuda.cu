// w_bar = y_bar^T patches: rows are filters, columns taps and channels, the reduction runs over the
// pixels of y. Few blocks, long sums: the pixels are cut into parts with partial sums in the
// workspace, [parts, tasks, K, R S C], which a second kernel adds in their order.

#include "kernels/conv2d/implicit_gemm.cuh"
#include "kernels/conv2d/operands.cuh"

namespace metatape::kernels {
namespace {

struct WeightGradMap {
  static constexpr Contiguous kContiguousA = Contiguous::rows, kContiguousB = Contiguous::rows;

  int tasks, filters, filter_size, pixels, part_pixels;
  std::int64_t x_task_stride, y_task_stride;
  PixelsByFilter y_bar;
  PatchesTransposed patches;
  float* sums;

  __device__ Product<PixelsByFilter, PatchesTransposed, DenseRows> product(int batch) const {
    const int task = batch % tasks, first_pixel = batch / tasks * part_pixels;
    Product<PixelsByFilter, PatchesTransposed, DenseRows> p{
        .rows = filters,
        .columns = filter_size,
        .depths = max(0, min(part_pixels, pixels - first_pixel)),
        .a = y_bar,
        .b = patches,
        .result = {sums + std::int64_t(batch) * filters * filter_size, filter_size}};
    p.a.y_bar += task * y_task_stride + first_pixel * y_bar.filters;
    p.b.image += task * x_task_stride;
    p.b.first_pixel = first_pixel;
    return p;
  }
};

/// sum[i] = terms[0, i] + terms[1, i] + ...
__global__ void add_parts_kernel(const float* terms, std::int64_t count, int parts, float* sum) {
  const std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  float total = terms[i];
  for (int part = 1; part < parts; ++part) total += terms[part * count + i];
  sum[i] = total;
}

}  // namespace

void conv2d_weight_grad(const Conv2dWeightGradArgs<float>& args, const Conv2dPlan& plan,
                        const CudaContext& context) {
  const Conv2dGeometry& g = args.geometry;
  const std::int64_t P = g.out_height(), Q = g.out_width();
  const std::int64_t filter_size = g.filter_height * g.filter_width * g.channels;
  WeightGradMap map{
      .tasks = int(g.tasks),
      .filters = int(g.filters),
      .filter_size = int(filter_size),
      .pixels = int(g.images * P * Q),
      .part_pixels = int(part_pixels(g, plan.parts)),
      .x_task_stride = args.x_task_stride,
      .y_task_stride = args.y_task_stride,
      .y_bar = {.y_bar = args.y_bar, .filters = g.filters},
      .patches = {{.image = args.x,
                   .height = int(g.height),
                   .width = int(g.width),
                   .channels = int(g.channels),
                   .grid_height = Divisor<std::int32_t>(P),
                   .grid_width = Divisor<std::int32_t>(Q),
                   .stride = int(g.stride),
                   .first_y = int(-g.pad),
                   .first_x = int(-g.pad),
                   .direction = 1,
                   .taps = taps_in_memory_order(g.filter_height, g.filter_width, g.channels)}},
      .sums = plan.parts == 1 ? args.w_bar : args.workspace};
  const bool in_runs_of_four = g.filters % 4 == 0 && g.channels % 4 == 0 &&
                               is_aligned(args.x, args.x_task_stride) &&
                               is_aligned(args.y_bar, args.y_task_stride);
  enqueue(map,
          {g.filters, filter_size, plan.parts * g.tasks, has_aligned_pairs(map.sums, filter_size)},
          plan, in_runs_of_four, context.stream);

  const std::int64_t count = g.tasks * g.filters * filter_size;
  if (plan.parts == 1 || count == 0) return;
  constexpr int kThreads = 256;
  MT_LAUNCH(add_parts_kernel, unsigned((count + kThreads - 1) / kThreads), kThreads, 0,
            context.stream)
  (args.workspace, count, int(plan.parts), args.w_bar);
}

template <>
void conv2d_weight_grad(const Conv2dWeightGradArgs<float>& args, const CudaContext& context) {
  conv2d_weight_grad(args, plan_conv2d_weight_grad(args.geometry, context.precision), context);
}

}  // namespace metatape::kernels
