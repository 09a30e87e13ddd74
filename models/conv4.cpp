#include "models/conv4.h"

#include "engine/ops.h"
#include "models/initialisation.h"
#include "models/layers.h"

namespace metatape {
namespace {

constexpr int kBlocks = 4;
constexpr int kContextBlock = 3;

std::int64_t halved(std::int64_t extent, Downsampling how) {
  return how == Downsampling::stride ? (extent + 1) / 2 : extent / 2;
}

void declare_context(Parameters& parameters, const Conv4Options& o) {
  using namespace parameter_group;
  const Initializer weight = he_uniform_linear(o.context);
  declare_linear(parameters, "film_scale", kBody, o.context, o.filters, weight, 1);
  declare_linear(parameters, "film_shift", kBody, o.context, o.filters, weight);
  parameters.push_back({"context", kContext, {o.context}});
}

Var modulate_channels(const ParamSet& p, Var x, const Conv4Options& o) {
  const Var context = reshape(p["context"], {1, o.context});
  return x * linear(p, "film_scale", context) + linear(p, "film_shift", context);
}

/// ReLU comes last, as it commutes with max-pooling and has a quarter of the work after it.
Var block(const ParamSet& p, int i, Var x, const Conv4Options& o, const BatchNormPass& pass) {
  const bool strided = o.downsampling == Downsampling::stride;
  x = conv2d(x, p[fmt::format("conv{}.weight", i)], {.stride = strided ? 2 : 1, .pad = 1});
  x = batch_norm(p, fmt::format("bn{}", i), x, o.batch_norm_epsilon, pass);
  if (!strided) x = max_pool2d(x, {.window = 2, .stride = 2});
  if (o.context && i == kContextBlock) x = modulate_channels(p, x, o);
  return relu(x);
}

/// [N,P,Q,C] -> [N,features]
Var flatten(Var x, const Conv4Options& o) {
  if (o.downsampling == Downsampling::stride) {
    const int plane[] = {1, 2};
    x = mean_axes(x, plane);
  }
  return reshape(x, {x.extent(0), x.extent(1) * x.extent(2) * x.extent(3)});
}

}  // namespace

Model make_conv4(const Conv4Options& o) {
  Model model{.name = "conv4", .input = {o.height, o.width, o.channels}, .outputs = o.classes};
  std::int64_t height = o.height, width = o.width, channels = o.channels;
  for (int i = 1; i <= kBlocks; ++i) {
    declare_convolution(model.parameters, fmt::format("conv{}", i), o.filters, 3, channels,
                        glorot_uniform(9 * channels, 9 * o.filters));
    declare_batch_norm(model.parameters, fmt::format("bn{}", i), o.filters);
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
  model.feature_count = averaged ? channels : height * width * channels;
  const std::size_t head = model.parameters.size();
  declare_head(model.parameters, model.feature_count, o.classes, o.head_deviation);
  if (!averaged) {
    model.parameters[head].layout = FileLayout::linear_on_image;
    model.parameters[head].image = {height, width, channels};
  }
  if (o.context) declare_context(model.parameters, o);

  model.body = [o](const ParamSet& p, Var x, const BatchNormPass& pass) {
    for (int i = 1; i <= kBlocks; ++i) x = block(p, i, x, o, pass);
    return flatten(x, o);
  };
  model.head = [](const ParamSet& p, Var features) { return linear(p, "head", features); };
  return model;
}

}  // namespace metatape
