// Max-pooling: an index that is a constant almost everywhere, and a linear gather/scatter pair.

#include "kernels/pool/pool.h"

#include "engine/ops/attributes.h"
#include "engine/ops/common.h"

namespace metatape {
namespace {

using kernels::PoolGeometry;
using kernels::WindowPlace;

/// height and width of the large image: those of x, and what pool_scatter cannot see.
struct PoolAttr {
  std::int64_t window, stride, height, width;
};

PoolGeometry geometry(std::int64_t tasks, std::int64_t images, std::int64_t channels, PoolAttr a) {
  return {.planes = tasks * images,
          .height = a.height,
          .width = a.width,
          .channels = channels,
          .window = a.window,
          .stride = a.stride};
}

Shape small_image(const Shape& large, const PoolGeometry& g) {
  return large.with_extent(1, g.out_height()).with_extent(2, g.out_width());
}

PoolGeometry checked_geometry(const InferCall& c) {
  const auto a = c.attr.as<PoolAttr>();
  const Shape& image = c.in[0].shape;
  if (image.rank() != 4) fail_shape(c, "x {} needs four axes NHWC", image.str());
  if (a.window < 1 || a.stride < 1 || a.window > a.height || a.window > a.width)
    fail_shape(c, "a {}x{} window in steps of {} does not fit a {}x{} image", a.window, a.window,
               a.stride, a.height, a.width);
  if (a.window > kernels::kMaxWindow)
    fail_shape(c, "a {}x{} window is too large, expected {}x{} at most", a.window, a.window,
               kernels::kMaxWindow, kernels::kMaxWindow);
  return geometry(image.tasks(), image[0], image[3], a);
}

ValueType infer_index(const InferCall& c) {
  require_same_float(c);
  return {small_image(c.in[0].shape, checked_geometry(c)), DType::u8};
}

void require_index(const InferCall& c, const Shape& expected) {
  require_dtype(c, 1, DType::u8);
  if (c.in[1].shape != expected)
    fail_shape(c, "index {} does not fit, expected {}", c.in[1].shape.str(), expected.str());
}

ValueType infer_gather(const InferCall& c) {
  const DType dtype = require_same_float({c.op, c.in.first(1), c.attr, c.where});
  const Shape small = small_image(c.in[0].shape, checked_geometry(c));
  require_index(c, small);
  return {small, dtype};
}

ValueType infer_scatter(const InferCall& c) {
  const DType dtype = require_same_float({c.op, c.in.first(1), c.attr, c.where});
  const PoolGeometry g = checked_geometry(c);
  const Shape& small = c.in[0].shape;
  const Shape large = small.with_extent(1, g.height).with_extent(2, g.width);
  if (small != small_image(large, g))
    fail_shape(c, "y_bar {} is not the pooled form {} of {}", small.str(),
               small_image(large, g).str(), large.str());
  require_index(c, small);
  return {large, dtype};
}

PoolGeometry geometry_of(const KernelCall& c) { return pool_geometry(c.in_types[0].shape, c.attr); }

constexpr auto index_call = [](const auto& c) {
  with_float(c, c.in_types[0].dtype, [&]<class T>() {
    kernels::max_pool_index<T>(geometry_of(c), input<T>(c, 0), output<WindowPlace>(c), c.context);
  });
};

constexpr auto gather_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::pool_gather<T>(geometry_of(c), input<T>(c, 0), input<WindowPlace>(c, 1), output<T>(c),
                            c.context);
  });
};

constexpr auto scatter_call = [](const auto& c) {
  with_float(c, c.out_type.dtype, [&]<class T>() {
    kernels::pool_scatter<T>(geometry_of(c), input<T>(c, 0), input<WindowPlace>(c, 1),
                             output<T>(c), c.context);
  });
};

PoolOptions options(const PoolAttr& a) { return {.window = a.window, .stride = a.stride}; }

Cotangents gather_vjp(const Pullback& p) {
  const auto a = p.attr.as<PoolAttr>();
  return {pool_scatter(p.ct, p.in[1], a.height, a.width, options(a), p.where)};
}

Cotangents scatter_vjp(const Pullback& p) {
  return {pool_gather(p.ct, p.in[1], options(p.attr.as<PoolAttr>()), p.where)};
}

std::string describe_pool(const Attr& attr) {
  const auto a = attr.as<PoolAttr>();
  return fmt::format("window={}, stride={}", a.window, a.stride);
}

Attr attr_of(PoolOptions o, std::int64_t height, std::int64_t width) {
  return Attr::of(PoolAttr{o.window, o.stride, height, width});
}

/// Height and width of an image, or 0 for a value that is none; the shape rule then reports it.
std::pair<std::int64_t, std::int64_t> plane(Var x) {
  return x.rank() == 4 ? std::pair(x.extent(1), x.extent(2))
                       : std::pair<std::int64_t, std::int64_t>();
}

}  // namespace

const OpDef max_pool_index_def{
    .infer = infer_index, .kernel = bind_kernel(index_call), .describe = describe_pool};
const OpDef pool_gather_def{.infer = infer_gather,
                            .vjp = gather_vjp,
                            .kernel = bind_kernel(gather_call),
                            .describe = describe_pool};
const OpDef pool_scatter_def{.infer = infer_scatter,
                             .vjp = scatter_vjp,
                             .kernel = bind_kernel(scatter_call),
                             .describe = describe_pool};

PoolGeometry pool_geometry(const Shape& images, const Attr& attr) {
  return geometry(images.tasks(), images[0], images[3], attr.as<PoolAttr>());
}

bool pool_windows_overlap(const Attr& attr) {
  const auto a = attr.as<PoolAttr>();
  return a.stride < a.window;
}

Var max_pool2d(Var x, PoolOptions o, Loc where) {
  return pool_gather(x, max_pool_index(x, o, where), o, where);
}

Var max_pool_index(Var x, PoolOptions o, Loc where) {
  const auto [height, width] = plane(x);
  return x.tape->push(OpId::max_pool_index, {x}, attr_of(o, height, width), where);
}

Var pool_gather(Var x, Var index, PoolOptions o, Loc where) {
  const auto [height, width] = plane(x);
  return x.tape->push(OpId::pool_gather, {x, index}, attr_of(o, height, width), where);
}

Var pool_scatter(Var y_bar, Var index, std::int64_t height, std::int64_t width, PoolOptions o,
                 Loc where) {
  return y_bar.tape->push(OpId::pool_scatter, {y_bar, index}, attr_of(o, height, width), where);
}

}  // namespace metatape
