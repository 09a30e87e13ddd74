#pragma once

// Small problems in f64 for the tests of methods: values that can be run at once, and derivatives
// that can be checked.

#include <functional>

#include "engine/ops.h"
#include "meta/method/method.h"
#include "models/conv4.h"
#include "tests/support/sandbox.h"

namespace metatape {

/// Tasks with a network, in which every number has a fixed value.
struct SmallProblem {
  Sandbox s;
  Model model;
  Objective objective;
  ParamSet theta;
  EpisodeVars episode = {};

  SmallProblem(Model m, Objective o) : model(std::move(m)), objective(std::move(o)) {
    for (const Parameter& p : model.parameters) theta.add(p.name, p.group, draw(p.shape));
  }

  Var draw(const Shape& shape) {
    std::vector<double> values(static_cast<std::size_t>(shape.elements()));
    for (double& v : values) v = std::sin(next_ += 0.7);
    return s.value(shape, values);
  }
  TaskBatch batch() {
    return {.model = model,
            .objective = objective,
            .theta = theta,
            .episode = episode,
            .iteration = s.scalar(0)};
  }
  /// With a copy of theta for each task, as the parts of a method see it.
  TaskBatch own_batch() {
    TaskBatch tasks = batch();
    tasks.theta = broadcast_tasks(theta, episode.query_x.tasks());
    return tasks;
  }
  Var support_loss(const ParamSet& phi) const {
    return objective.loss(model.forward(phi, episode.support_x), episode.support_y);
  }
  Var query_loss(const ParamSet& phi) const {
    return objective.loss(model.forward(phi, episode.query_x), episode.query_y);
  }

  /// All elements, entry after entry.
  std::vector<double> run(const ParamSet& set) {
    std::vector<double> all;
    for (const Tensor& t : s.run_all(set.values())) {
      const std::vector<double> part = t.values();
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  /// The same values without what they were computed from.
  ParamSet numbers(const ParamSet& set) {
    std::vector<Var> values;
    for (const Tensor& t : s.run_all(set.values()))
      values.push_back(s.value(t.shape(), t.values()));
    return set.with_values(values);
  }
  /// Moves theta by h direction, element by element.
  void move(const std::vector<double>& direction, double h) {
    std::size_t k = 0;
    for (std::size_t i = 0; i < theta.size(); ++i) {
      Tensor& t = s.store.at("value/" + std::to_string(i));
      for (std::int64_t j = 0; j < t.elements(); ++j)
        t.set_at(j, t.values()[std::size_t(j)] + h * direction[k++]);
    }
  }

 private:
  double next_ = 0.1;
};

/// Three tasks of regression with a smooth network of two layers.
struct SmallRegression : SmallProblem {
  SmallRegression() : SmallProblem(smooth_network(), regression_objective()) {
    const Shape x = Shape{4, 2}.with_tasks(3), y = Shape{4, 1}.with_tasks(3);
    episode = {draw(x), draw(y), draw(x), draw(y)};
  }

 private:
  /// With tanh: the minimum of a proximal problem may lie on a kink of ReLU.
  static Model smooth_network() {
    return {
        .name = "smooth",
        .parameters = {{.name = "w", .group = parameter_group::kBody, .shape = {3, 2}},
                       {.name = "v", .group = parameter_group::kHead, .shape = {1, 3}},
                       {.name = "c", .group = parameter_group::kHead, .shape = {1}}},
        .input = {2},
        .feature_count = 3,
        .outputs = 1,
        .body = [](const ParamSet& p, Var x,
                   const BatchNormPass&) { return tanh(matmul(x, p["w"], {.transpose_b = true})); },
        .head =
            [](const ParamSet& p, Var features) {
              return matmul(features, p["v"], {.transpose_b = true}) + p["c"];
            }};
  }
};

/// Three tasks of classification with convolutions and batch norm.
struct SmallImages : SmallProblem {
  SmallImages()
      : SmallProblem(make_conv4({.height = 16, .width = 16, .classes = 3, .filters = 2}),
                     classification_objective()) {
    const Shape x = Shape{6, 16, 16, 1}.with_tasks(3), y = Shape{6}.with_tasks(3);
    std::vector<double> labels;
    for (int k = 0; k < 18; ++k) labels.push_back(k % 3);
    const Var label = s.value(y, labels, DType::i32);
    episode = {draw(x), label, draw(x), label};
  }
};

/// One parameter w and losses with known derivatives: L_support = a/2 (w - c)^2,
/// L_query = b/2 (w - d)^2. A target is (curvature, centre).
struct SmallParabola : SmallProblem {
  SmallParabola(double theta_value, double a, double c, double b, double d)
      : SmallProblem(model_of_one_parameter(), parabola()) {
    s.store.at("value/0").set_at(0, theta_value);
    const Var one = s.value(Shape{1, 1}.with_tasks(1), {1});
    const Shape target = Shape{1, 2}.with_tasks(1);
    episode = {one, s.value(target, {a, c}), one, s.value(target, {b, d})};
  }

 private:
  static Model model_of_one_parameter() {
    return {.name = "scalar",
            .parameters = {{.name = "w", .group = parameter_group::kBody, .shape = {1}}},
            .input = {1},
            .feature_count = 1,
            .outputs = 1,
            .body = [](const ParamSet& p, Var x, const BatchNormPass&) { return x * p["w"]; },
            .head = [](const ParamSet&, Var features) { return features; }};
  }
  static Objective parabola() {
    const auto loss = [](Var w, Var target) {
      const Var curvature = slice(target, 1, 0, 1), centre = slice(target, 1, 1, 2);
      return sum(0.5 * curvature * square(w - centre));
    };
    return {.loss = loss, .score = loss};
  }
};

}  // namespace metatape
