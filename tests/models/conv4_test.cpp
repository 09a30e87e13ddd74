#include "models/conv4.h"

#include <gtest/gtest.h>

#include "models/initialisation.h"
#include "tests/models/plain_network.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

using plain::find, plain::Images, plain::Values;

Values reference(const plain::ValuesByName& p, Images x, const Conv4Options& o) {
  const bool strided = o.downsampling == Downsampling::stride;
  for (int i = 1; i <= 4; ++i) {
    const std::string block = std::to_string(i);
    x = plain::convolve(x, p.at("conv" + block + ".weight"), o.filters, 3, strided ? 2 : 1);
    plain::normalise(x, p.at("bn" + block + ".weight"), p.at("bn" + block + ".bias"),
                     o.batch_norm_epsilon);
    const bool with_context = o.context && i == 3;
    if (with_context) {  // a channel may change its sign: the largest are found before
      if (!strided) x = plain::max_pool(x);
      const Values& c = p.at("context");
      const Values scale = plain::linear(c, p.at("film_scale.weight"), p.at("film_scale.bias"));
      const Values shift = plain::linear(c, p.at("film_shift.weight"), p.at("film_shift.bias"));
      x.for_each([&](auto n, auto r, auto s, auto k) {
        x.at(n, r, s, k) = x.at(n, r, s, k) * scale[std::size_t(k)] + shift[std::size_t(k)];
      });
    }
    plain::rectify(x);
    if (!strided && !with_context) x = plain::max_pool(x);
  }
  if (strided) x = plain::mean_over_image(x);
  return plain::linear(x.data, p.at("head.weight"), p.at("head.bias"));
}

void expect_equals_plain_loops(const Conv4Options& o) {
  plain::expect_equals(make_conv4(o), [&](const plain::ValuesByName& values, const Images& x) {
    return reference(values, x, o);
  });
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

TEST(Conv4, WithContextEqualsPlainLoops) {
  for (const Downsampling how : {Downsampling::stride, Downsampling::max})
    expect_equals_plain_loops(
        {.height = 17, .width = 16, .classes = 3, .filters = 3, .downsampling = how, .context = 5});
}

// ---- what it declares --------------------------------------------------------------------------

TEST(Conv4, NamesItsParametersInFileOrder) {
  std::vector<std::string> names;
  for (const Parameter& p : make_conv4({}).parameters) {
    names.push_back(p.name);
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

TEST(Conv4, DeclaresItsContextAfterTheRest) {
  const Model model = make_conv4({.filters = 8, .context = 100});
  const Model plain = make_conv4({.filters = 8});
  ASSERT_EQ(model.parameters.size(), plain.parameters.size() + 5);
  for (std::size_t i = 0; i < plain.parameters.size(); ++i)
    EXPECT_EQ(model.parameters[i].name, plain.parameters[i].name);
  EXPECT_EQ(find(model, "film_scale.weight").shape, (Shape{8, 100}));
  EXPECT_EQ(find(model, "film_shift.weight").shape, (Shape{8, 100}));
  EXPECT_EQ(find(model, "film_shift.bias").shape, (Shape{8}));
  EXPECT_EQ(find(model, "context").shape, (Shape{100}));
}

TEST(Conv4, StartsAsIfItHadNoContext) {
  const Conv4Options o{.height = 9, .width = 9, .classes = 3, .filters = 4};
  Conv4Options with_context = o;
  with_context.context = 6;
  Values logits[2];
  for (const bool has_context : {false, true}) {
    const Model model = make_conv4(has_context ? with_context : o);
    Sandbox s;
    initialise(s.store, model.parameters, DType::f64, 1);
    const ParamSet theta = declare_parameters(s.tape, model.parameters, DType::f64);
    std::mt19937_64 random(1);
    const Var x = s.value({4, 9, 9, 1}, plain::random_values(4 * 9 * 9, random));
    const Var y = model.forward(theta, x);
    logits[has_context] = s.run(y);
    if (has_context) {  // and yet the context matters
      const Values gradient = s.run(grad(sum(square(y)), theta)["context"]);
      EXPECT_TRUE(std::ranges::all_of(gradient, [](double g) { return g != 0; }));
    }
  }
  expect_all_near(logits[1], logits[0], tolerance::kExactForms, "logits");
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
