// Convolution and its two adjoints. The three are bilinear and each one's cotangents are the other
// two, so every order of derivative stays within them.

#include "kernels/conv2d/conv2d.h"

#include "engine/ops/common.h"

namespace metatape {
namespace {

using kernels::Conv2dGeometry;

/// `first` and `second` are the extents the operands do not tell: height and width of the image for
/// the input gradient, of the filter for the weight gradient.
struct ConvAttr {
  std::int64_t stride, pad, first = 0, second = 0;
};

void require_rank4(const InferCall& c) {
  for (const ValueType& v : c.in)
    if (v.shape.rank() != 4)
      fail_shape(c, "operands {} and {} need four axes each (NHWC images, KRSC filters)",
                 c.in[0].shape.str(), c.in[1].shape.str());
}

Conv2dGeometry geometry(std::int64_t tasks, const Shape& x, const Shape& w, ConvAttr a) {
  return {.tasks = tasks,
          .images = x[0],
          .height = x[1],
          .width = x[2],
          .channels = x[3],
          .filters = w[0],
          .filter_height = w[1],
          .filter_width = w[2],
          .stride = a.stride,
          .pad = a.pad};
}

void check_window(const InferCall& c, const Conv2dGeometry& g) {
  if (g.stride < 1 || g.pad < 0)
    fail_shape(c, "stride {} and pad {}: expected stride >= 1 and pad >= 0", g.stride, g.pad);
  if (g.filter_height < 1 || g.filter_width < 1 || g.height + 2 * g.pad < g.filter_height ||
      g.width + 2 * g.pad < g.filter_width)
    fail_shape(c, "a {}x{} filter does not fit a {}x{} image with pad {}", g.filter_height,
               g.filter_width, g.height, g.width, g.pad);
}

Shape image_of(const Conv2dGeometry& g) { return {g.images, g.height, g.width, g.channels}; }
Shape filter_of(const Conv2dGeometry& g) {
  return {g.filters, g.filter_height, g.filter_width, g.channels};
}
Shape result_of(const Conv2dGeometry& g) {
  return {g.images, g.out_height(), g.out_width(), g.filters};
}

// ---- conv2d
// ----------------------------------------------------------------------------------------

ValueType infer_conv2d(const InferCall& c) {
  const DType dtype = require_same_float(c);
  require_rank4(c);
  const Shape &x = c.in[0].shape, &w = c.in[1].shape;
  if (x[3] != w[3])
    fail_shape(c, "x {} has {} channels, w {} expects {}", x.str(), x[3], w.str(), w[3]);
  const Conv2dGeometry g = geometry(1, x, w, c.attr.as<ConvAttr>());
  check_window(c, g);
  return {result_of(g).with_tasks(common_tasks(c)), dtype};
}

constexpr auto conv2d_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::conv2d<T>({.geometry = geometry(c.out_type.shape.tasks(), c.in_types[0].shape,
                                             c.in_types[1].shape, attribute<ConvAttr>(c)),
                        .x_task_stride = task_stride(c.in_types[0].shape),
                        .w_task_stride = task_stride(c.in_types[1].shape),
                        .x = input<T>(c, 0),
                        .w = input<T>(c, 1),
                        .y = output<T>(c),
                        .workspace = workspace<T>(c)},
                       c.context);
  });
};

// ---- conv2d_input_grad: operands y_bar, w
// ----------------------------------------------------------

ValueType infer_input_grad(const InferCall& c) {
  const DType dtype = require_same_float(c);
  require_rank4(c);
  const auto a = c.attr.as<ConvAttr>();
  const Shape &y_bar = c.in[0].shape, &w = c.in[1].shape;
  const Conv2dGeometry g = geometry(1, Shape{y_bar[0], a.first, a.second, w[3]}, w, a);
  check_window(c, g);
  if (y_bar.with_tasks(1) != result_of(g))
    fail_shape(c, "y_bar {} is not the result {} of {} with w {}", y_bar.str(), result_of(g).str(),
               image_of(g).str(), w.str());
  return {image_of(g).with_tasks(common_tasks(c)), dtype};
}

constexpr auto input_grad_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::conv2d_input_grad<T>(
        {.geometry = geometry(c.out_type.shape.tasks(), c.out_type.shape, c.in_types[1].shape,
                              attribute<ConvAttr>(c)),
         .y_task_stride = task_stride(c.in_types[0].shape),
         .w_task_stride = task_stride(c.in_types[1].shape),
         .y_bar = input<T>(c, 0),
         .w = input<T>(c, 1),
         .x_bar = output<T>(c),
         .workspace = workspace<T>(c)},
        c.context);
  });
};

// ---- conv2d_weight_grad: operands x, y_bar
// -----------------------------------------------------------

ValueType infer_weight_grad(const InferCall& c) {
  const DType dtype = require_same_float(c);
  require_rank4(c);
  const auto a = c.attr.as<ConvAttr>();
  const Shape &x = c.in[0].shape, &y_bar = c.in[1].shape;
  const Conv2dGeometry g = geometry(1, x, Shape{y_bar[3], a.first, a.second, x[3]}, a);
  check_window(c, g);
  if (y_bar.with_tasks(1) != result_of(g))
    fail_shape(c, "y_bar {} is not the result {} of x {} with filters {}", y_bar.str(),
               result_of(g).str(), x.str(), filter_of(g).str());
  return {filter_of(g).with_tasks(common_tasks(c)), dtype};
}

constexpr auto weight_grad_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::conv2d_weight_grad<T>(
        {.geometry = geometry(c.out_type.shape.tasks(), c.in_types[0].shape, c.out_type.shape,
                              attribute<ConvAttr>(c)),
         .x_task_stride = task_stride(c.in_types[0].shape),
         .y_task_stride = task_stride(c.in_types[1].shape),
         .x = input<T>(c, 0),
         .y_bar = input<T>(c, 1),
         .w_bar = output<T>(c),
         .workspace = workspace<T>(c)},
        c.context);
  });
};

// ---- planning
// --------------------------------------------------------------------------------------

double flops_of(const Conv2dGeometry& g) {
  return 2.0 * double(g.tasks) * double(g.images) * double(g.out_height()) * double(g.out_width()) *
         double(g.filters) * double(g.filter_height) * double(g.filter_width) * double(g.channels);
}

Conv2dGeometry forward_plan(const PlanCall& c) {
  return geometry(c.out.shape.tasks(), c.in[0].shape, c.in[1].shape, c.attr.as<ConvAttr>());
}
Conv2dGeometry input_grad_plan(const PlanCall& c) {
  return geometry(c.out.shape.tasks(), c.out.shape, c.in[1].shape, c.attr.as<ConvAttr>());
}
Conv2dGeometry weight_grad_plan(const PlanCall& c) {
  return geometry(c.out.shape.tasks(), c.in[0].shape, c.out.shape, c.attr.as<ConvAttr>());
}

std::size_t bytes(std::int64_t elements, const PlanCall& c) {
  return std::size_t(elements) * dtype_bytes(c.out.dtype);
}

std::string describe_conv(const Attr& attr) {
  const auto a = attr.as<ConvAttr>();
  return fmt::format("stride={}, pad={}", a.stride, a.pad);
}

// ---- derivatives
// -----------------------------------------------------------------------------------

Conv2dOptions options(const Pullback& p) {
  const auto a = p.attr.as<ConvAttr>();
  return {.stride = a.stride, .pad = a.pad};
}

Cotangents conv2d_vjp(const Pullback& p) {
  const Var x = p.in[0], w = p.in[1], y_bar = p.ct;
  return {p.needed[0]
              ? sum_like(conv2d_input_grad(y_bar, w, x.extent(1), x.extent(2), options(p), p.where),
                         x, p.where)
              : Var{},
          p.needed[1] ? sum_like(conv2d_weight_grad(x, y_bar, w.extent(1), w.extent(2), options(p),
                                                    p.where),
                                 w, p.where)
                      : Var{}};
}

// The cotangent of an image is an image, so it takes the place of x in the two other maps.
Cotangents input_grad_vjp(const Pullback& p) {
  const Var y_bar = p.in[0], w = p.in[1], x = p.ct;
  return {p.needed[0] ? sum_like(conv2d(x, w, options(p), p.where), y_bar, p.where) : Var{},
          p.needed[1] ? sum_like(conv2d_weight_grad(x, y_bar, w.extent(1), w.extent(2), options(p),
                                                    p.where),
                                 w, p.where)
                      : Var{}};
}

Cotangents weight_grad_vjp(const Pullback& p) {
  const Var x = p.in[0], y_bar = p.in[1], w = p.ct;
  return {p.needed[0]
              ? sum_like(conv2d_input_grad(y_bar, w, x.extent(1), x.extent(2), options(p), p.where),
                         x, p.where)
              : Var{},
          p.needed[1] ? sum_like(conv2d(x, w, options(p), p.where), y_bar, p.where) : Var{}};
}

}  // namespace

const OpDef conv2d_def{.infer = infer_conv2d,
                       .vjp = conv2d_vjp,
                       .kernel = bind_kernel(conv2d_call),
                       .workspace = bind_workspace([](const PlanCall& c, const auto& context) {
                         return bytes(kernels::conv2d_workspace_elements(forward_plan(c), context),
                                      c);
                       }),
                       .flops = [](const PlanCall& c) { return flops_of(forward_plan(c)); },
                       .describe = describe_conv,
                       .broadcasts = Broadcasts::tasks};
const OpDef conv2d_input_grad_def{
    .infer = infer_input_grad,
    .vjp = input_grad_vjp,
    .kernel = bind_kernel(input_grad_call),
    .workspace = bind_workspace([](const PlanCall& c, const auto& context) {
      return bytes(kernels::conv2d_input_grad_workspace_elements(input_grad_plan(c), context), c);
    }),
    .flops = [](const PlanCall& c) { return flops_of(input_grad_plan(c)); },
    .describe = describe_conv,
    .broadcasts = Broadcasts::tasks};
const OpDef conv2d_weight_grad_def{
    .infer = infer_weight_grad,
    .vjp = weight_grad_vjp,
    .kernel = bind_kernel(weight_grad_call),
    .workspace = bind_workspace([](const PlanCall& c, const auto& context) {
      return bytes(kernels::conv2d_weight_grad_workspace_elements(weight_grad_plan(c), context), c);
    }),
    .flops = [](const PlanCall& c) { return flops_of(weight_grad_plan(c)); },
    .describe = describe_conv,
    .broadcasts = Broadcasts::tasks};

Var conv2d(Var x, Var w, Conv2dOptions o, Loc where) {
  return x.tape->push(OpId::conv2d, {x, w}, Attr::of(ConvAttr{o.stride, o.pad}), where);
}

Var conv2d_input_grad(Var y_bar, Var w, std::int64_t height, std::int64_t width, Conv2dOptions o,
                      Loc where) {
  return y_bar.tape->push(OpId::conv2d_input_grad, {y_bar, w},
                          Attr::of(ConvAttr{o.stride, o.pad, height, width}), where);
}

Var conv2d_weight_grad(Var x, Var y_bar, std::int64_t filter_height, std::int64_t filter_width,
                       Conv2dOptions o, Loc where) {
  return x.tape->push(OpId::conv2d_weight_grad, {x, y_bar},
                      Attr::of(ConvAttr{o.stride, o.pad, filter_height, filter_width}), where);
}

}  // namespace metatape
