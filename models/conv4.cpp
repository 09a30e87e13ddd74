#include "models/conv4.h"

#include "engine/ops.h"
#include "models/initialisation.h"

namespace metatape {
namespace {

constexpr int kBlocks = 4;

std::int64_t halved(std::int64_t extent, Downsampling how) {
  return how == Downsampling::stride ? (extent + 1) / 2 : extent / 2;
}

Var block(const ParamSet& p, int i, Var x, const Conv4Options& o) {
  const bool strided = o.downsampling == Downsampling::stride;
  x = conv2d(x, p[fmt::format("conv{}.weight", i)], {.stride = strided ? 2 : 1, .pad = 1});
  x = batch_norm(x, p[fmt::format("bn{}.weight", i)], p[fmt::format("bn{}.bias", i)],
                 o.batch_norm_epsilon);
  x = relu(x);
  return strided ? x : max_pool2d(x, {.window = 2, .stride = 2});
}

/// [N,P,Q,C] -> [N,features]
Var features(Var x, const Conv4Options& o) {
  if (o.downsampling == Downsampling::stride) {
    const int plane[] = {1, 2};
    x = mean_axes(x, plane);
  }
  return reshape(x, {x.extent(0), x.extent(1) * x.extent(2) * x.extent(3)});
}

}  // namespace

Model make_conv4(const Conv4Options& o) {
  Model model{.name = "conv4",
              .parameters = {},
              .input = {o.height, o.width, o.channels},
              .outputs = o.classes,
              .forward = {}};
  std::int64_t height = o.height, width = o.width, channels = o.channels;
  for (int i = 1; i <= kBlocks; ++i) {
    const Shape filter{o.filters, 3, 3, channels};
    model.parameters.push_back({.name = fmt::format("conv{}.weight", i),
                                .group = "body",
                                .shape = filter,
                                .init = glorot_uniform(9 * channels, 9 * o.filters),
                                .layout = FileLayout::filter});
    model.parameters.push_back(
        {fmt::format("bn{}.weight", i), "body", {o.filters}, {Initializer::Kind::constant, 1}});
    model.parameters.push_back({fmt::format("bn{}.bias", i), "body", {o.filters}});
    height = halved(height, o.downsampling);
    width = halved(width, o.downsampling);
    channels = o.filters;
  }
  if (height < 1 || width < 1)
    fail(ErrorKind::usage, "model.pool",
         "a {}x{} image vanishes in four 2x2 poolings; use images of 16x16 at least or "
         "model.pool=stride",
         o.height, o.width);
  const bool averaged = o.downsampling == Downsampling::stride;
  const std::int64_t features_count = averaged ? channels : height * width * channels;
  model.parameters.push_back({.name = "head.weight",
                              .group = "head",
                              .shape = {o.classes, features_count},
                              .init = o.head_deviation > 0
                                          ? Initializer{Initializer::Kind::normal, o.head_deviation}
                                          : glorot_uniform(features_count, o.classes),
                              .layout = averaged ? FileLayout::same : FileLayout::linear_on_image,
                              .image = {height, width, channels}});
  model.parameters.push_back({"head.bias", "head", {o.classes}});

  model.forward = [o](const ParamSet& p, Var x) {
    for (int i = 1; i <= kBlocks; ++i) x = block(p, i, x, o);
    return matmul(features(x, o), p["head.weight"], {.transpose_b = true}) + p["head.bias"];
  };
  return model;
}

}  // namespace metatape
