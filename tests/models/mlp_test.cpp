#include "models/mlp.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/compare.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {
namespace {

using Values = std::vector<double>;

TEST(Mlp, NamesItsLayersAndTheHead) {
  const Model model = make_mlp({.inputs = 2, .outputs = 3, .hidden = {5, 4}});
  const std::vector<Shape> shapes = {{5, 2}, {5}, {4, 5}, {4}, {3, 4}, {3}};
  const std::vector<std::string> names = {"layer1.weight", "layer1.bias", "layer2.weight",
                                          "layer2.bias",   "head.weight", "head.bias"};
  ASSERT_EQ(model.parameters.size(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const Parameter& p = model.parameters[i];
    EXPECT_EQ(p.name, names[i]);
    EXPECT_EQ(p.shape, shapes[i]) << p.name;
    EXPECT_EQ(p.group, i < 4 ? "body" : "head") << p.name;
    EXPECT_EQ(p.layout, FileLayout::same) << p.name;
  }
  EXPECT_EQ(model.input, (std::vector<std::int64_t>{2}));
  EXPECT_EQ(model.outputs, 3);
  EXPECT_EQ(model.feature_count, 4);
}

TEST(Mlp, HasItsContextAsFurtherInputs) {
  const Model model = make_mlp({.inputs = 2, .hidden = {}, .context = 3});
  ASSERT_EQ(model.parameters.size(), 3u);
  EXPECT_EQ(model.parameters[0].shape, (Shape{1, 5}));
  EXPECT_EQ(model.parameters[2].name, "context");
  EXPECT_EQ(model.parameters[2].init.scale, 0);
  EXPECT_EQ(model.feature_count, 5);
  Sandbox s;
  const Shape per_task = Shape{3}.with_tasks(2);
  ParamSet p;
  p.add("head.weight", "head", s.value({1, 5}, {2, -3, 1, 10, 100}));
  p.add("head.bias", "head", s.value({1}, {0.5}));
  p.add("context", "context", s.value(per_task, {1, 2, 3, 4, 5, 6}));
  const Var x = s.value(Shape{2, 2}.with_tasks(2), {1, 4, 1, 1, 2, 0, 0, 0});
  const Values expected{311.5, 320.5, 658.5, 654.5};
  EXPECT_EQ(s.run(model.forward(p, x)), expected);
}

TEST(Mlp, ForSinusoidsHasTheSizeOfThePaper) { EXPECT_EQ(make_mlp({}).parameter_count(), 1761); }

TEST(Mlp, StartsAsItsOptionsSay) {
  const Initializer glorot = make_mlp({}).parameters[2].init;
  EXPECT_EQ(glorot.kind, Initializer::Kind::uniform);
  EXPECT_DOUBLE_EQ(glorot.scale, std::sqrt(6.0 / (40 + 40)));
  const Model cut = make_mlp({.weight_deviation = 0.01});
  EXPECT_EQ(cut.parameters[4].init.kind, Initializer::Kind::truncated_normal);
  EXPECT_EQ(cut.parameters[4].init.scale, 0.01);
  EXPECT_EQ(cut.parameters[5].init.scale, 0);
}

TEST(Mlp, WithoutHiddenLayersIsLinear) {
  const Model model = make_mlp({.inputs = 2, .outputs = 1, .hidden = {}});
  ASSERT_EQ(model.parameters.size(), 2u);
  Sandbox s;
  ParamSet p;
  p.add("head.weight", "head", s.value({1, 2}, {2, -3}));
  p.add("head.bias", "head", s.value({1}, {0.5}));
  const Values expected{2 * 1 - 3 * 4 + 0.5};
  EXPECT_EQ(s.run(model.forward(p, s.value({1, 2}, {1, 4}))), expected);
}

TEST(Mlp, EqualsPlainLoopsWithParametersOfEachTask) {
  constexpr std::int64_t kTasks = 2, kPoints = 3;
  const std::vector<std::int64_t> widths = {2, 4, 3, 1};  // inputs, hidden, outputs
  const Model model = make_mlp({.inputs = 2, .outputs = 1, .hidden = {4, 3}});
  Sandbox s;
  ParamSet p;
  std::vector<Values> values;
  double next = 0;
  auto draw = [&](std::int64_t count) {
    Values drawn(static_cast<std::size_t>(count));
    for (double& v : drawn) v = std::sin(next += 0.7);
    return drawn;
  };
  for (const Parameter& q : model.parameters) {
    const Shape shape = q.shape.with_tasks(kTasks);
    values.push_back(draw(shape.elements()));
    p.add(q.name, q.group, s.value(shape, values.back()));
  }
  const Values x = draw(kTasks * kPoints * 2);
  const Var y = model.forward(p, s.value(Shape{kPoints, 2}.with_tasks(kTasks), x));

  Values expected;
  for (std::int64_t t = 0; t < kTasks; ++t)
    for (std::int64_t n = 0; n < kPoints; ++n) {
      Values h(x.begin() + (t * kPoints + n) * 2, x.begin() + (t * kPoints + n + 1) * 2);
      for (std::size_t layer = 0; layer + 1 < widths.size(); ++layer) {
        const auto in = std::size_t(widths[layer]), out = std::size_t(widths[layer + 1]);
        Values next_h;
        for (std::size_t o = 0; o < out; ++o) {
          double sum = values[2 * layer + 1][std::size_t(t) * out + o];
          for (std::size_t i = 0; i < in; ++i)
            sum += values[2 * layer][(std::size_t(t) * out + o) * in + i] * h[i];
          next_h.push_back(layer + 2 < widths.size() ? std::max(sum, 0.0) : sum);
        }
        h = next_h;
      }
      expected.push_back(h[0]);
    }
  expect_all_near(s.run(y), expected, tolerance::kExactForms, "outputs");
}

}  // namespace
}  // namespace metatape
