// What all networks promise to methods: groups, features and head, batch-norm passes.

#include <gtest/gtest.h>

#include <set>

#include "engine/autodiff.h"
#include "models/conv4.h"
#include "models/mlp.h"
#include "models/resnet12.h"
#include "tests/models/plain_network.h"
#include "tests/support/expect_error.h"

namespace metatape {
namespace {

using plain::Instance, plain::Values;

constexpr std::int64_t kImages = 3, kTasks = 2;

std::vector<Model> networks_with_batch_norm() {
  const Conv4Options conv4{.height = 16, .width = 16, .classes = 3, .filters = 4};
  Conv4Options pooled = conv4, with_context = conv4;
  pooled.downsampling = Downsampling::max;
  with_context.context = 2;
  return {make_conv4(conv4), make_conv4(pooled), make_conv4(with_context),
          make_resnet12({.height = 16, .width = 16, .channels = 1, .widths = {2, 3, 2, 3}})};
}

std::vector<Model> networks() {
  std::vector<Model> all = networks_with_batch_norm();
  all.push_back(make_mlp({.inputs = 2, .hidden = {5, 3}}));
  all.push_back(make_mlp({.inputs = 2, .hidden = {4}, .context = 2}));
  return all;
}

bool is_zero(const Values& x) {
  return std::ranges::all_of(x, [](double v) { return v == 0; });
}

// ---- groups ------------------------------------------------------------------------------------

TEST(Groups, HoldWhatEachPartOfTheNetworkReads) {
  for (const Model& model : networks()) {
    Instance net(model);
    const Var features = model.features(net.theta, net.examples(kImages, kTasks));
    const ParamSet of_features = grad(sum(square(features)), net.theta);
    const Var constant = stop_gradient(features);
    const ParamSet of_head = grad(sum(square(model.head(net.theta, constant))), net.theta);
    for (std::size_t i = 0; i < model.parameters.size(); ++i) {
      const auto& [name, group, value] = net.theta.entries()[i];
      const bool in_head = group == parameter_group::kHead;
      EXPECT_EQ(is_zero(net.s.run(of_features.entries()[i].value)), in_head)
          << model.name << " " << name;
      EXPECT_EQ(is_zero(net.s.run(of_head.entries()[i].value)), !in_head)
          << model.name << " " << name;
      EXPECT_EQ(group == parameter_group::kContext, name == "context") << model.name;
    }
  }
}

TEST(Groups, AreThreeAtMost) {
  const std::set<std::string> groups{parameter_group::kBody, parameter_group::kHead,
                                     parameter_group::kContext};
  for (const Model& model : networks())
    for (const Parameter& p : model.parameters)
      EXPECT_TRUE(groups.contains(p.group)) << model.name << " " << p.name << ": " << p.group;
}

TEST(Groups, StartContextsAtZero) {
  for (const Model& model : {make_conv4({.context = 4}), make_mlp({.context = 4})}) {
    const Initializer init = plain::find(model, "context").init;
    EXPECT_EQ(init.kind, Initializer::Kind::constant);
    EXPECT_EQ(init.scale, 0);
  }
}

// ---- features and head -------------------------------------------------------------------------

TEST(Features, AndTheHeadAreTheNetwork) {
  for (const Model& model : networks()) {
    Instance net(model);
    const Var x = net.examples(kImages, kTasks);
    const Var features = model.features(net.theta, x);
    EXPECT_EQ(features.shape(), (Shape{kImages, model.feature_count}.with_tasks(kTasks)));
    EXPECT_EQ(net.s.run(model.head(net.theta, features)), net.s.run(model.forward(net.theta, x)))
        << model.name;
  }
}

// ---- batch norm --------------------------------------------------------------------------------

TEST(BatchNormPass, NotesMomentsOfEveryLayer) {
  for (const Model& model : networks_with_batch_norm()) {
    Instance net(model);
    BatchStatistics seen;
    model.forward(net.theta, net.examples(kImages, kTasks), {.seen = &seen});
    std::size_t scales_and_shifts = 0;
    for (const Parameter& p : model.parameters) {
      if (!p.normalises) continue;
      ++scales_and_shifts;
      const auto moments = seen.find(p.name.substr(0, p.name.rfind('.')));
      ASSERT_NE(moments, seen.end()) << p.name;
      EXPECT_EQ(moments->second.mean.shape(), (Shape{1, 1, 1, p.shape[0]}.with_tasks(kTasks)));
      for (double variance : net.s.run(moments->second.variance)) EXPECT_GT(variance, 0);
    }
    EXPECT_EQ(scales_and_shifts, 2 * seen.size()) << model.name;
  }
}

TEST(BatchNormPass, WithTheMomentsOfTheBatchItselfChangesNothing) {
  for (const Model& model : networks_with_batch_norm()) {
    Instance net(model);
    const Var x = net.examples(kImages, kTasks);
    BatchStatistics seen;
    const Var transductive = model.forward(net.theta, x, {.seen = &seen});
    const Var inductive = model.forward(net.theta, x, {.given = &seen});
    EXPECT_EQ(net.s.run(inductive), net.s.run(transductive)) << model.name;
    const ParamSet expected = grad(sum(square(transductive)), net.theta);
    expect_all_near(net.run(grad(sum(square(inductive)), net.theta).values()),
                    net.run(expected.values()), tolerance::kExactForms, model.name);
  }
}

TEST(BatchNormPass, WithGivenMomentsTreatsExamplesApart) {
  for (const Model& model : networks_with_batch_norm()) {
    Instance net(model);
    const Var support = net.examples(4, kTasks), query = net.examples(kImages, kTasks);
    BatchStatistics seen;
    model.forward(net.theta, support, {.seen = &seen});
    const Var alone = slice(query, 0, 1, 2);
    const auto logits = [&](Var x, const BatchNormPass& pass) {
      return net.s.run(slice(model.forward(net.theta, x, pass), 0, x.extent(0) == 1 ? 0 : 1,
                             x.extent(0) == 1 ? 1 : 2));
    };
    expect_all_near(logits(alone, {.given = &seen}), logits(query, {.given = &seen}),
                    tolerance::kExactForms, model.name);
    EXPECT_NE(logits(alone, {}), logits(query, {})) << model.name;
  }
}

TEST(BatchNormPass, LetsDerivativesThroughGivenMoments) {
  for (const Model& model : networks_with_batch_norm()) {
    Instance net(model);
    const Var support = net.examples(4, kTasks), query = net.examples(kImages, kTasks);
    BatchStatistics seen;
    model.forward(net.theta, support, {.seen = &seen});
    const Var loss = mean_tasks(sum(square(model.forward(net.theta, query, {.given = &seen}))));
    const std::vector<Var> of_support = grad(loss, std::vector<Var>{support});
    const Values direction = net.direction_of({support});
    const Var slope = dot(of_support[0], net.s.value(support.shape(), direction));
    expect_all_near(net.run({sum_tasks(slope)}), net.difference({loss}, {support}, direction),
                    tolerance::kGradient, model.name);
  }
}

TEST(BatchNormPass, OverTheSameSupportMergesWithTheFirst) {
  const Model model = networks_with_batch_norm()[0];
  Instance net(model);
  const Var support = net.examples(4, kTasks);
  const Var first = model.forward(net.theta, support);
  BatchStatistics seen;
  const Var second = model.forward(net.theta, support, {.seen = &seen});
  const auto instructions = [&](const std::vector<Var>& fetch) {
    return compile(net.s.tape, {.fetch = fetch, .fuse = false}).instruction_count();
  };
  EXPECT_EQ(instructions({first, second, seen.at("bn4").variance}), instructions({first}));
}

TEST(BatchNormPass, NamesALayerWithoutMoments) {
  const Model model = networks_with_batch_norm()[0];
  Instance net(model);
  const Var x = net.examples(kImages, kTasks);
  BatchStatistics seen;
  model.forward(net.theta, x, {.seen = &seen});
  seen.erase("bn3");
  expect_error(ErrorKind::usage, "bn1, bn2, bn4",
               [&] { model.forward(net.theta, x, {.given = &seen}); });
}

/// MAML++: the scales and shifts of a step are rows of arrays that have one row for each step.
TEST(BatchNormPass, TakesScaleAndShiftOfAStep) {
  const Model model = networks_with_batch_norm()[0];
  Instance net(model);
  const Var x = net.examples(kImages, kTasks);
  std::vector<Var> of_step = net.theta.values();
  Var steps;
  for (std::size_t i = 0; i < of_step.size(); ++i) {
    const Parameter& p = model.parameters[i];
    if (!p.normalises) continue;
    steps = net.s.value({5, p.shape[0]}, plain::random_values(5 * p.shape[0], net.random));
    of_step[i] = reshape(slice(steps, 0, 2, 3), {p.shape[0]});
  }
  const Var logits = model.forward(net.theta.with_values(of_step), x);
  EXPECT_NE(net.s.run(logits), net.s.run(model.forward(net.theta, x)));
  const Values gradient = net.s.run(grad(sum(square(logits)), std::vector<Var>{steps})[0]);
  const auto row = [&](std::ptrdiff_t k) {
    const std::ptrdiff_t channels = std::ptrdiff_t(gradient.size()) / 5;
    return Values(gradient.begin() + k * channels, gradient.begin() + (k + 1) * channels);
  };
  for (int k = 0; k < 5; ++k) EXPECT_EQ(is_zero(row(k)), k != 2) << "row " << k;
}

}  // namespace
}  // namespace metatape
