// y = patches w^T: rows are pixels of y, columns filters, the reduction runs over taps and
// channels.

#include "kernels/conv2d/implicit_gemm.cuh"
#include "kernels/conv2d/operands.cuh"

namespace metatape::kernels {
namespace {

struct ForwardMap {
  static constexpr Contiguous kContiguousA = Contiguous::depth, kContiguousB = Contiguous::depth;

  int pixels, filters, terms;
  std::int64_t x_task_stride, w_task_stride;
  Patches patches;
  FiltersByFilter w;
  float* y;

  __device__ Product<Patches, FiltersByFilter, DenseRows> product(int task) const {
    Product<Patches, FiltersByFilter, DenseRows> p{
        pixels, filters, terms, patches, w, {y + std::int64_t(task) * pixels * filters, filters}};
    p.a.image += task * x_task_stride;
    p.b.w += task * w_task_stride;
    return p;
  }
};

}  // namespace

void conv2d(const Conv2dArgs<float>& args, const Conv2dPlan& plan, const CudaContext& context) {
  const Conv2dGeometry g = join_tasks(args);
  const std::int64_t P = g.out_height(), Q = g.out_width();
  const std::int64_t filter_size = g.filter_height * g.filter_width * g.channels;
  const TapOrder taps = tap_order(g.filter_height, g.filter_width, g.channels);
  const ForwardMap map{.pixels = int(g.images * P * Q),
                       .filters = int(g.filters),
                       .terms = int(filter_size),
                       .x_task_stride = args.x_task_stride,
                       .w_task_stride = args.w_task_stride,
                       .patches = {.image = args.x,
                                   .height = int(g.height),
                                   .width = int(g.width),
                                   .channels = int(g.channels),
                                   .grid_height = Divisor<std::int32_t>(P),
                                   .grid_width = Divisor<std::int32_t>(Q),
                                   .stride = int(g.stride),
                                   .first_y = int(-g.pad),
                                   .first_x = int(-g.pad),
                                   .direction = 1,
                                   .taps = taps},
                       .w = {{.w = args.w,
                              .filter_width = int(g.filter_width),
                              .step = 1,
                              .channels = g.channels,
                              .filter_size = filter_size,
                              .taps = taps}},
                       .y = args.y};
  const bool in_runs_of_four = g.channels % 4 == 0 && is_aligned(args.x, args.x_task_stride) &&
                               is_aligned(args.w, args.w_task_stride);
  enqueue(map, {map.pixels, map.filters, g.tasks, has_aligned_pairs(args.y, g.filters)}, plan,
          in_runs_of_four, context.stream);
}

template <>
void conv2d(const Conv2dArgs<float>& args, const CudaContext& context) {
  conv2d(args, plan_conv2d(join_tasks(args), context.precision), context);
}

}  // namespace metatape::kernels
