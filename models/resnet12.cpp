#include "models/resnet12.h"

#include "engine/ops.h"
#include "models/initialisation.h"
#include "models/layers.h"

namespace metatape {
namespace {

constexpr int kConvolutions = 3;  // of each block
constexpr double kSlope = 0.1;    // of leaky ReLU

void declare_block(Parameters& parameters, const std::string& block, std::int64_t channels,
                   std::int64_t width) {
  for (int i = 1; i <= kConvolutions; ++i) {
    declare_convolution(parameters, fmt::format("{}.conv{}", block, i), width, 3,
                        i == 1 ? channels : width, he_normal(9 * width));
    declare_batch_norm(parameters, fmt::format("{}.bn{}", block, i), width);
  }
  declare_convolution(parameters, block + ".shortcut_conv", width, 1, channels, he_normal(width));
  declare_batch_norm(parameters, block + ".shortcut_bn", width);
}

/// The last leaky ReLU follows the pooling: they commute, and a quarter of the work is left.
Var residual_block(const ParamSet& p, const std::string& block, Var x, double epsilon,
                   const BatchNormPass& pass) {
  Var shortcut = conv2d(x, p[block + ".shortcut_conv.weight"]);
  shortcut = batch_norm(p, block + ".shortcut_bn", shortcut, epsilon, pass);
  for (int i = 1; i <= kConvolutions; ++i) {
    if (i > 1) x = relu(x, kSlope);
    x = conv2d(x, p[fmt::format("{}.conv{}.weight", block, i)], {.pad = 1});
    x = batch_norm(p, fmt::format("{}.bn{}", block, i), x, epsilon, pass);
  }
  return relu(max_pool2d(x + shortcut, {.window = 2, .stride = 2}), kSlope);
}

}  // namespace

Model make_resnet12(const ResNet12Options& o) {
  Model model{.name = "resnet12",
              .input = {o.height, o.width, o.channels},
              .feature_count = o.widths.back(),
              .outputs = o.classes};
  std::vector<std::string> blocks;
  std::int64_t height = o.height, width = o.width, channels = o.channels;
  for (const std::int64_t block_width : o.widths) {
    blocks.push_back(fmt::format("block{}", blocks.size() + 1));
    declare_block(model.parameters, blocks.back(), channels, block_width);
    height /= 2;
    width /= 2;
    channels = block_width;
  }
  if (height < 1 || width < 1)
    fail(ErrorKind::usage, "model.name",
         "a {}x{} image vanishes in the four 2x2 poolings of resnet12; use images of 16x16 at "
         "least or model.name=conv4",
         o.height, o.width);
  declare_head(model.parameters, model.feature_count, o.classes, o.head_deviation);

  model.body = [blocks, epsilon = o.batch_norm_epsilon](const ParamSet& p, Var x,
                                                        const BatchNormPass& pass) {
    for (const std::string& block : blocks) x = residual_block(p, block, x, epsilon, pass);
    const int plane[] = {1, 2};
    return reshape(mean_axes(x, plane), {x.extent(0), x.extent(-1)});
  };
  model.head = [](const ParamSet& p, Var features) { return linear(p, "head", features); };
  return model;
}

}  // namespace metatape
