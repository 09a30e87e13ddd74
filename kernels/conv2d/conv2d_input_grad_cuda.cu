// x_bar = y_bar under reversed windows, times the filters: rows are pixels of x, columns channels,
// the reduction runs over taps and filters.
//
// With a stride, pixel h of x has only the taps r = h + pad (mod stride). The pixels are cut into
// stride^2 classes by h and w mod stride. Each is a convolution of y_bar of its own, without
// stride, with its share of the taps, and all together have R S taps instead of R S stride^2:
//   h = stride h' + a,  r = first + stride i  with first = (a + pad) mod stride:
//   x_bar[h, ...] = sum_i y_bar[h' + (a + pad - first) / stride - i, ...] w[first + stride i, ...]

#include "kernels/conv2d/implicit_gemm.cuh"
#include "kernels/conv2d/operands.cuh"

namespace metatape::kernels {
namespace {

/// Rows of the result that are the pixels of one class.
struct ClassRows {
  float* x_bar;  ///< the first pixel of the class
  int height, width, channels, stride;
  Divisor<std::int32_t> class_height, class_width;

  __device__ float* at(int row) const {
    const auto [line, w] = class_width.split(row);
    const auto [n, h] = class_height.split(line);
    return x_bar + (std::int64_t(n * height + h * stride) * width + w * stride) * channels;
  }
};

/// One axis of the image, cut into classes. Two of them differ by at most one tap and one pixel, so
/// the divisors of both kinds are made at the launch.
struct ClassAxis {
  int pixels, taps, stride, pad;

  struct Class {
    int first_tap, taps, pixels;
    int first;  ///< pixel of y_bar under the first pixel and tap of the class
    bool has_more_taps, has_more_pixels;
  };

  __device__ Class at(int a) const {
    Class c;
    c.first_tap = (a + pad) % stride;
    c.taps = (taps - c.first_tap + stride - 1) / stride;
    c.pixels = (pixels - a + stride - 1) / stride;
    c.first = (a + pad - c.first_tap) / stride;
    c.has_more_taps = c.taps > taps / stride;
    c.has_more_pixels = c.pixels > pixels / stride;
    return c;
  }
};

struct InputGradMap {
  static constexpr Contiguous kContiguousA = Contiguous::depth, kContiguousB = Contiguous::rows;

  int images, filters, tasks, stride;
  ClassAxis vertical, horizontal;
  TapOrder taps[2][2];  // [has more taps vertically, horizontally]
  Divisor<std::int32_t> class_height[2], class_width[2];  // [has more pixels]
  std::int64_t y_task_stride, w_task_stride, x_task;      // x_task: elements
  Patches patches;
  FiltersByChannel w;
  float* x_bar;

  __device__ Product<Patches, FiltersByChannel, ClassRows> product(int batch) const {
    const int task = batch % tasks, a = batch / tasks / stride, b = batch / tasks % stride;
    const ClassAxis::Class v = vertical.at(a), h = horizontal.at(b);
    Product<Patches, FiltersByChannel, ClassRows> p{
        .rows = images * v.pixels * h.pixels,
        .columns = int(w.channels),
        .depths = v.taps * h.taps * filters,
        .a = patches,
        .b = w,
        .result = {x_bar + task * x_task + (std::int64_t(a) * horizontal.pixels + b) * w.channels,
                   vertical.pixels, horizontal.pixels, int(w.channels), stride,
                   class_height[v.has_more_pixels], class_width[h.has_more_pixels]}};
    p.a.image += task * y_task_stride;
    p.a.grid_height = p.result.class_height;
    p.a.grid_width = p.result.class_width;
    p.a.first_y = v.first;
    p.a.first_x = h.first;
    p.a.taps = p.b.taps = taps[v.has_more_taps][h.has_more_taps];
    p.b.w += task * w_task_stride;
    p.b.first_r = v.first_tap;
    p.b.first_s = h.first_tap;
    return p;
  }
};

}  // namespace

void conv2d_input_grad(const Conv2dInputGradArgs<float>& args, const Conv2dPlan& plan,
                       const CudaContext& context) {
  const Conv2dGeometry g = join_tasks(args);
  const std::int64_t stride = g.stride, R = g.filter_height, S = g.filter_width;
  const auto taps = [&](int more_r, int more_s) {
    return tap_order(R / stride + more_r, S / stride + more_s, g.filters);
  };
  const InputGradMap map{.images = int(g.images),
                         .filters = int(g.filters),
                         .tasks = int(g.tasks),
                         .stride = int(stride),
                         .vertical = {int(g.height), int(R), int(stride), int(g.pad)},
                         .horizontal = {int(g.width), int(S), int(stride), int(g.pad)},
                         .taps = {{taps(0, 0), taps(0, 1)}, {taps(1, 0), taps(1, 1)}},
                         .class_height = {Divisor<std::int32_t>(g.height / stride),
                                          Divisor<std::int32_t>(g.height / stride + 1)},
                         .class_width = {Divisor<std::int32_t>(g.width / stride),
                                         Divisor<std::int32_t>(g.width / stride + 1)},
                         .y_task_stride = args.y_task_stride,
                         .w_task_stride = args.w_task_stride,
                         .x_task = g.images * g.height * g.width * g.channels,
                         .patches = {.image = args.y_bar,
                                     .height = int(g.out_height()),
                                     .width = int(g.out_width()),
                                     .channels = int(g.filters),
                                     .stride = 1,
                                     .direction = -1},
                         .w = {{.w = args.w,
                                .filter_width = int(S),
                                .step = int(stride),
                                .channels = g.channels,
                                .filter_size = R * S * g.channels}},
                         .x_bar = args.x_bar};
  const bool in_runs_of_four = g.filters % 4 == 0 && g.channels % 4 == 0 &&
                               is_aligned(args.y_bar, args.y_task_stride) &&
                               is_aligned(args.w, args.w_task_stride);
  const auto class_pixels = [&](std::int64_t pixels) { return (pixels + stride - 1) / stride; };
  enqueue(map,
          {g.images * class_pixels(g.height) * class_pixels(g.width), g.channels,
           g.tasks * stride * stride, has_aligned_pairs(args.x_bar, g.channels)},
          plan, in_runs_of_four, context.stream);
}

template <>
void conv2d_input_grad(const Conv2dInputGradArgs<float>& args, const CudaContext& context) {
  conv2d_input_grad(args, plan_conv2d_input_grad(join_tasks(args), context.precision), context);
}

}  // namespace metatape::kernels
