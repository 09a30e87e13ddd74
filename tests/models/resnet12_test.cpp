#include "models/resnet12.h"

#include <gtest/gtest.h>

#include "engine/autodiff.h"
#include "tests/models/plain_network.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

using plain::find, plain::Images, plain::Values;

constexpr ResNet12Options kTiny{
    .height = 16, .width = 16, .channels = 1, .classes = 3, .widths = {2, 3, 2, 3}};

Values reference(const plain::ValuesByName& p, Images x, const ResNet12Options& o) {
  for (std::size_t b = 1; b <= 4; ++b) {
    const std::string block = "block" + std::to_string(b) + ".";
    auto convolution = [&](const Images& in, const std::string& conv, const std::string& bn,
                           std::int64_t size) {
      Images y = plain::convolve(in, p.at(block + conv + ".weight"), o.widths[b - 1], size);
      plain::normalise(y, p.at(block + bn + ".weight"), p.at(block + bn + ".bias"),
                       o.batch_norm_epsilon);
      return y;
    };
    const Images shortcut = convolution(x, "shortcut_conv", "shortcut_bn", 1);
    x = convolution(x, "conv1", "bn1", 3);
    plain::rectify(x, 0.1);
    x = convolution(x, "conv2", "bn2", 3);
    plain::rectify(x, 0.1);
    x = convolution(x, "conv3", "bn3", 3);
    for (std::size_t e = 0; e < x.data.size(); ++e) x.data[e] += shortcut.data[e];
    plain::rectify(x, 0.1);
    x = plain::max_pool(x);
  }
  return plain::linear(plain::mean_over_image(x).data, p.at("head.weight"), p.at("head.bias"));
}

void expect_equals_plain_loops(const ResNet12Options& o) {
  plain::expect_equals(make_resnet12(o), [&](const plain::ValuesByName& values, const Images& x) {
    return reference(values, x, o);
  });
}

TEST(ResNet12, EqualsPlainLoops) { expect_equals_plain_loops(kTiny); }

TEST(ResNet12, LeavesOutOddRowsAndColumns) {
  expect_equals_plain_loops({.height = 21,
                             .width = 34,
                             .channels = 3,
                             .classes = 2,
                             .widths = {3, 2, 4, 2},
                             .batch_norm_epsilon = 0.1});
}

// ---- what it declares --------------------------------------------------------------------------

TEST(ResNet12, HasTheSizesOfThePapers) {
  // 12.4 million for features of 640 and 8.0 million for those of 512, without the head.
  const auto features_size = [](std::array<std::int64_t, 4> widths) {
    const Model model = make_resnet12({.widths = widths});
    EXPECT_EQ(model.feature_count, widths[3]);
    return model.parameter_count() - 5 * (widths[3] + 1);
  };
  EXPECT_EQ(features_size({64, 160, 320, 640}), 12'424'320);
  EXPECT_EQ(features_size({64, 128, 256, 512}), 7'996'800);
}

TEST(ResNet12, NamesItsParametersInFileOrder) {
  const Model model = make_resnet12({.classes = 7});
  std::vector<std::string> names;
  for (const Parameter& p : model.parameters) names.push_back(p.name);
  ASSERT_EQ(names.size(), 4u * 12 + 2);
  EXPECT_EQ(std::vector<std::string>(names.begin() + 12, names.begin() + 24),
            (std::vector<std::string>{"block2.conv1.weight", "block2.bn1.weight", "block2.bn1.bias",
                                      "block2.conv2.weight", "block2.bn2.weight", "block2.bn2.bias",
                                      "block2.conv3.weight", "block2.bn3.weight", "block2.bn3.bias",
                                      "block2.shortcut_conv.weight", "block2.shortcut_bn.weight",
                                      "block2.shortcut_bn.bias"}));
  EXPECT_EQ(find(model, "block2.conv1.weight").shape, (Shape{128, 3, 3, 64}));
  EXPECT_EQ(find(model, "block2.conv3.weight").shape, (Shape{128, 3, 3, 128}));
  EXPECT_EQ(find(model, "block2.shortcut_conv.weight").shape, (Shape{128, 1, 1, 64}));
  EXPECT_EQ(find(model, "block2.conv1.weight").layout, FileLayout::filter);
  EXPECT_EQ(find(model, "head.weight").shape, (Shape{7, 512}));
  EXPECT_EQ(find(model, "head.weight").layout, FileLayout::same);
}

TEST(ResNet12, StartsHeNormalByItsOutputs) {
  const Model model = make_resnet12({.head_deviation = 0.25});
  const Initializer filter = find(model, "block3.conv1.weight").init;
  EXPECT_EQ(filter.kind, Initializer::Kind::normal);
  EXPECT_DOUBLE_EQ(filter.scale, std::sqrt(2.0 / (9 * 256)));
  EXPECT_DOUBLE_EQ(find(model, "block3.shortcut_conv.weight").init.scale, std::sqrt(2.0 / 256));
  EXPECT_EQ(find(model, "block3.bn1.weight").init.scale, 1);
  EXPECT_EQ(find(model, "head.weight").init.scale, 0.25);
}

TEST(ResNet12, TakesPaperAndSmallerImages) {
  for (const std::int64_t side : {84, 28, 16}) {
    const Model model = make_resnet12({.height = side, .width = side, .widths = {2, 2, 2, 2}});
    plain::Instance net(model);
    EXPECT_EQ(model.forward(net.theta, net.examples(1, 1)).shape(), (Shape{1, 5})) << side;
  }
  expect_error(ErrorKind::usage, "a 16x15 image vanishes",
               [] { make_resnet12({.height = 16, .width = 15}); });
}

// ---- derivatives -------------------------------------------------------------------------------

/// A tiny network, its loss and a direction in its parameters.
struct Probe {
  plain::Instance net{make_resnet12(kTiny), 3};
  const std::vector<Var> theta = net.theta.values();
  const Values direction = net.direction_of(theta);
  Var loss;

  Probe() {
    constexpr std::int64_t kTasks = 2, kImages = 4;
    const Var x = net.examples(kImages, kTasks);
    const Shape labels = Shape{kImages}.with_tasks(kTasks);
    const Var y = net.s.value(labels, {0, 1, 2, 0, 2, 2, 1, 0}, DType::i32);
    loss = mean_tasks(cross_entropy(net.model.forward(net.theta, x), y));
  }
  ParamSet along() {
    std::vector<Var> parts;
    auto from = direction.begin();
    for (const Var& p : theta) {
      const auto to = from + p.shape().elements();
      parts.push_back(net.s.value(p.shape(), Values(from, to)));
      from = to;
    }
    return net.theta.with_values(parts);
  }
};

TEST(ResNet12, HasTheGradientOfItsLoss) {
  Probe p;
  const Var slope = dot(grad(p.loss, p.net.theta), p.along());
  expect_all_near(p.net.run({slope}), p.net.difference({p.loss}, p.theta, p.direction),
                  tolerance::kGradient, "slope");
}

TEST(ResNet12, HasTheHessianOfItsLoss) {
  Probe p;
  const ParamSet gradient = grad(p.loss, p.net.theta);
  const ParamSet product = grad(dot(gradient, p.along()), p.net.theta);
  expect_all_near(p.net.run(product.values()),
                  p.net.difference(gradient.values(), p.theta, p.direction),
                  tolerance::kHessianVector, "H v");
}

}  // namespace
}  // namespace metatape
