#include "models/conv4.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/compare.h"
#include "tests/support/expect_error.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

Values random_values(std::int64_t count, std::mt19937_64& random) {
  std::normal_distribution<double> normal(0, 0.6);
  Values values(static_cast<std::size_t>(count));
  for (double& v : values) v = normal(random);
  return values;
}

// ---- the network once more, in plain loops -----------------------------------------------------

/// Images [N,H,W,C].
struct Images {
  std::int64_t n = 0, h = 0, w = 0, c = 0;
  Values data = {};

  Images(std::int64_t count, std::int64_t height, std::int64_t width, std::int64_t channels)
      : n(count), h(height), w(width), c(channels), data(std::size_t(n * h * w * c)) {}
  double& at(std::int64_t i, std::int64_t y, std::int64_t x, std::int64_t k) {
    return data[std::size_t(((i * h + y) * w + x) * c + k)];
  }
  template <class F>
  void for_each(F&& f) {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t y = 0; y < h; ++y)
        for (std::int64_t x = 0; x < w; ++x)
          for (std::int64_t k = 0; k < c; ++k) f(i, y, x, k);
  }
};

Images convolve(Images in, const Values& filter, std::int64_t filters, std::int64_t stride) {
  Images out(in.n, (in.h - 1) / stride + 1, (in.w - 1) / stride + 1, filters);
  out.for_each([&](auto i, auto y, auto x, auto k) {
    for (std::int64_t r = 0; r < 3; ++r)
      for (std::int64_t s = 0; s < 3; ++s) {
        const std::int64_t row = y * stride + r - 1, column = x * stride + s - 1;
        if (row < 0 || row >= in.h || column < 0 || column >= in.w) continue;
        for (std::int64_t c = 0; c < in.c; ++c)
          out.at(i, y, x, k) +=
              in.at(i, row, column, c) * filter[std::size_t(((k * 3 + r) * 3 + s) * in.c + c)];
      }
  });
  return out;
}

void normalise_and_clip(Images& x, const Values& gamma, const Values& beta, double epsilon) {
  const double count = double(x.n * x.h * x.w);
  Values mean(gamma.size()), variance(gamma.size());
  x.for_each([&](auto i, auto r, auto s, auto k) { mean[k] += x.at(i, r, s, k) / count; });
  x.for_each([&](auto i, auto r, auto s, auto k) {
    variance[k] += std::pow(x.at(i, r, s, k) - mean[k], 2) / count;
  });
  x.for_each([&](auto i, auto r, auto s, auto k) {
    double& v = x.at(i, r, s, k);
    v = std::max(0.0, (v - mean[k]) / std::sqrt(variance[k] + epsilon) * gamma[k] + beta[k]);
  });
}

Images pool(Images in) {
  Images out(in.n, in.h / 2, in.w / 2, in.c);
  out.for_each([&](auto i, auto y, auto x, auto k) {
    out.at(i, y, x, k) =
        std::max(std::max(in.at(i, 2 * y, 2 * x, k), in.at(i, 2 * y, 2 * x + 1, k)),
                 std::max(in.at(i, 2 * y + 1, 2 * x, k), in.at(i, 2 * y + 1, 2 * x + 1, k)));
  });
  return out;
}

Images mean_over_image(Images in) {
  Images out(in.n, 1, 1, in.c);
  in.for_each([&](auto i, auto y, auto x, auto k) {
    out.at(i, 0, 0, k) += in.at(i, y, x, k) / double(in.h * in.w);
  });
  return out;
}

Values reference(const std::map<std::string, Values>& p, Images x, const Conv4Options& o) {
  const bool strided = o.downsampling == Downsampling::stride;
  for (int i = 1; i <= 4; ++i) {
    const std::string block = std::to_string(i);
    x = convolve(x, p.at("conv" + block + ".weight"), o.filters, strided ? 2 : 1);
    normalise_and_clip(x, p.at("bn" + block + ".weight"), p.at("bn" + block + ".bias"),
                       o.batch_norm_epsilon);
    if (!strided) x = pool(x);
  }
  if (strided) x = mean_over_image(x);
  const std::int64_t features = x.h * x.w * x.c;
  Values logits;
  for (std::int64_t i = 0; i < x.n; ++i)
    for (std::int64_t k = 0; k < o.classes; ++k) {
      double sum = p.at("head.bias")[std::size_t(k)];
      for (std::int64_t f = 0; f < features; ++f)
        sum += x.data[std::size_t(i * features + f)] *
               p.at("head.weight")[std::size_t(k * features + f)];
      logits.push_back(sum);
    }
  return logits;
}

void expect_equals_plain_loops(const Conv4Options& o) {
  constexpr std::int64_t kImages = 3, kTasks = 2;
  const Model model = make_conv4(o);
  std::mt19937_64 random(5);
  Sandbox s;
  ParamSet parameters;
  std::map<std::string, Values> values;
  for (const Parameter& p : model.parameters) {
    values[p.name] = random_values(p.shape.elements(), random);
    parameters.add(p.name, p.group, s.value(p.shape, values[p.name]));
  }
  const Shape images = Shape{kImages, o.height, o.width, o.channels}.with_tasks(kTasks);
  const Values pixels = random_values(images.elements(), random);
  const Var logits = model.forward(parameters, s.value(images, pixels));
  ASSERT_EQ(logits.shape(), (Shape{kImages, o.classes}.with_tasks(kTasks)));

  Values expected;
  for (std::int64_t t = 0; t < kTasks; ++t) {
    Images of_task(kImages, o.height, o.width, o.channels);
    std::copy_n(pixels.begin() + t * images.elements_per_task(), images.elements_per_task(),
                of_task.data.begin());
    const Values part = reference(values, of_task, o);
    expected.insert(expected.end(), part.begin(), part.end());
  }
  expect_all_near(s.run(logits), expected, tolerance::kExactForms, "logits");
}

TEST(Conv4, WithStridesEqualsPlainLoops) {
  expect_equals_plain_loops({.height = 9, .width = 12, .channels = 2, .classes = 3, .filters = 4});
}

TEST(Conv4, WithPoolingEqualsPlainLoops) {
  expect_equals_plain_loops({.height = 33,
                             .width = 18,
                             .channels = 2,
                             .classes = 3,
                             .filters = 4,
                             .downsampling = Downsampling::max});
}

TEST(Conv4, UsesItsBatchNormEpsilon) {
  expect_equals_plain_loops(
      {.height = 8, .width = 8, .classes = 2, .filters = 3, .batch_norm_epsilon = 0.5});
}

// ---- what it declares --------------------------------------------------------------------------

const Parameter& find(const Model& model, const std::string& name) {
  for (const Parameter& p : model.parameters)
    if (p.name == name) return p;
  throw std::out_of_range(name);
}

TEST(Conv4, NamesItsParametersInFileOrder) {
  std::vector<std::string> names;
  for (const Parameter& p : make_conv4({}).parameters) {
    names.push_back(p.name);
    EXPECT_EQ(p.group, p.name.starts_with("head.") ? "head" : "body") << p.name;
  }
  EXPECT_EQ(names, (std::vector<std::string>{
                       "conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight", "bn2.weight",
                       "bn2.bias", "conv3.weight", "bn3.weight", "bn3.bias", "conv4.weight",
                       "bn4.weight", "bn4.bias", "head.weight", "head.bias"}));
}

TEST(Conv4, DeclaresShapesAndFileLayouts) {
  const Model strided = make_conv4({.channels = 3, .classes = 7, .filters = 16});
  EXPECT_EQ(strided.input, (std::vector<std::int64_t>{28, 28, 3}));
  EXPECT_EQ(strided.outputs, 7);
  EXPECT_EQ(find(strided, "conv1.weight").shape, (Shape{16, 3, 3, 3}));
  EXPECT_EQ(find(strided, "conv4.weight").shape, (Shape{16, 3, 3, 16}));
  EXPECT_EQ(find(strided, "conv1.weight").layout, FileLayout::filter);
  EXPECT_EQ(find(strided, "head.weight").shape, (Shape{7, 16}));
  EXPECT_EQ(find(strided, "head.weight").layout, FileLayout::same);

  const Model pooled = make_conv4(
      {.height = 84, .width = 70, .channels = 3, .filters = 32, .downsampling = Downsampling::max});
  const Parameter& head = find(pooled, "head.weight");
  EXPECT_EQ(head.shape, (Shape{5, 5 * 4 * 32}));
  EXPECT_EQ(head.layout, FileLayout::linear_on_image);
  EXPECT_EQ(head.image, (Shape{5, 4, 32}));
}

TEST(Conv4, HasTheSizesOfThePapers) {
  EXPECT_EQ(make_conv4({}).parameter_count(), 112005);
  EXPECT_EQ(make_conv4({.classes = 20}).parameter_count(), 112980);
  // Mini-ImageNet, Finn et al. 2017: 32 filters, 84 x 84, without convolution biases.
  EXPECT_EQ(make_conv4({.height = 84,
                        .width = 84,
                        .channels = 3,
                        .filters = 32,
                        .downsampling = Downsampling::max})
                .parameter_count(),
            32773);
}

TEST(Conv4, StartsFromGlorotFiltersAndIdentityBatchNorm) {
  const Model model = make_conv4({.channels = 3, .filters = 16, .head_deviation = 0.25});
  const Initializer filter = find(model, "conv1.weight").init;
  EXPECT_EQ(filter.kind, Initializer::Kind::uniform);
  EXPECT_DOUBLE_EQ(filter.scale, std::sqrt(6.0 / (9 * 3 + 9 * 16)));
  EXPECT_EQ(find(model, "bn1.weight").init.scale, 1);
  EXPECT_EQ(find(model, "bn1.bias").init.scale, 0);
  EXPECT_EQ(find(model, "head.weight").init.kind, Initializer::Kind::normal);
  EXPECT_EQ(find(model, "head.weight").init.scale, 0.25);
  EXPECT_EQ(find(make_conv4({}), "head.weight").init.kind, Initializer::Kind::uniform);
}

TEST(Conv4, RefusesImagesThatVanishInThePoolings) {
  const Conv4Options least{.height = 16, .width = 16, .downsampling = Downsampling::max};
  EXPECT_EQ(find(make_conv4(least), "head.weight").shape, (Shape{5, 64}));
  for (auto [height, width] : {std::pair<std::int64_t, std::int64_t>{15, 16}, {16, 15}})
    expect_error(ErrorKind::usage, "use images of 16x16 at least or model.pool=stride", [&] {
      make_conv4({.height = height, .width = width, .downsampling = Downsampling::max});
    });
  EXPECT_NO_THROW(make_conv4({.height = 1, .width = 1}));
}

}  // namespace
}  // namespace metatape
