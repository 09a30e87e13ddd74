#pragma once

// Small tasks for the closed-form adaptations, in f64: through a network with batch norm, and on
// features that are given.

#include <gtest/gtest.h>

#include <random>

#include "engine/exec/cpu_executor.h"
#include "meta/adapt/closed_form.h"
#include "meta/combine/combination.h"
#include "meta/method/compose.h"
#include "meta/outer/meta_gradient.h"
#include "meta/outer/query_loss.h"
#include "models/conv4.h"
#include "models/initialisation.h"
#include "tests/support/compare.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {

using Values = std::vector<double>;

inline Method method_of(std::shared_ptr<const Adaptation> adaptation,
                        std::vector<std::shared_ptr<const Regularizer>> regularizers = {}) {
  return {.adaptation = std::move(adaptation),
          .query_loss = make_last_step_loss(),
          .regularizers = std::move(regularizers),
          .meta_gradient = make_differentiated(),
          .combination = make_mean()};
}

inline Values random_values(std::int64_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Values values(static_cast<std::size_t>(count));
  for (double& v : values) v = normal(random);
  return values;
}

/// The outer objective of three tasks of three classes, through four blocks with batch norm.
class OuterObjective {
 public:
  OuterObjective(const Method& method, std::int64_t shots) : method_(method) {
    initialise(s_.store, model_.parameters, DType::f64, 5);
    theta_ = declare_parameters(s_.tape, model_.parameters, DType::f64);
    start_ = s_.store;
    const Shape images = Shape{kClasses * shots, 16, 16, 1}.with_tasks(kTasks);
    const Shape labels = Shape{kClasses * shots}.with_tasks(kTasks);
    const Values pixels = random_values(2 * images.elements(), 3);
    const auto half = pixels.begin() + images.elements();
    Values label;
    for (std::int64_t i = 0; i < labels.elements(); ++i) label.push_back(double(i % kClasses));
    const Var y = s_.value(labels, label, DType::i32);
    const EpisodeVars episode{s_.value(images, {pixels.begin(), half}), y,
                              s_.value(images, {half, pixels.end()}), y};
    step_ = record_meta_step(method_, {.model = model_,
                                       .objective = objective_,
                                       .theta = theta_,
                                       .episode = episode,
                                       .iteration = s_.scalar(0)});
  }

  const Model& model() const { return model_; }
  Values run(Var v) { return s_.run(v); }
  const MetaStep& step() const { return step_; }

  /// The combined gradient against central differences along random directions.
  void expect_exact() {
    std::vector<Var> fetch{mean_tasks(step_.outer_loss)};
    for (const Var& g : method_.combination->combine(step_.task_gradient).values())
      fetch.push_back(g);
    const Program program = compile(s_.tape, {.fetch = fetch});
    CpuExecutor executor(program, s_.store);
    constexpr double kStep = 1e-6;
    for (const std::uint64_t seed : {1, 2, 3}) {
      const double above = loss_at(executor, seed, kStep), below = loss_at(executor, seed, -kStep);
      const double difference[] = {(above - below) / (2 * kStep)};
      loss_at(executor, seed, 0);
      double derivative[] = {0};
      for (std::size_t k = 0; k < theta_.size(); ++k) {
        const Values gradient = executor.fetch(k + 1).values();
        const Values direction = random_values(std::int64_t(gradient.size()), seed + 10 * k);
        for (std::size_t i = 0; i < gradient.size(); ++i)
          derivative[0] += gradient[i] * direction[i];
      }
      expect_all_near(derivative, difference, tolerance::kMetaGradient, "along a direction");
    }
  }

  static constexpr std::int64_t kTasks = 3, kClasses = 3;

 private:
  double loss_at(CpuExecutor& executor, std::uint64_t seed, double step) {
    for (std::size_t k = 0; k < theta_.size(); ++k) {
      const std::string name = "theta/" + theta_.entries()[k].name;
      Tensor& theta = s_.store.at(name);
      const Values direction = random_values(theta.elements(), seed + 10 * k);
      for (std::int64_t i = 0; i < theta.elements(); ++i)
        theta.set_at(i, start_.at(name).at(i) + step * direction[std::size_t(i)]);
    }
    executor.run();
    return executor.fetch(0).at(0);
  }

  Method method_;
  Model model_ = with_method_parameters(
      make_conv4({.height = 16, .width = 16, .classes = kClasses, .filters = 4}), method_);
  Objective objective_ = classification_objective();
  Sandbox s_;
  StateStore start_;
  ParamSet theta_;
  MetaStep step_;
};

/// One task whose features are given: the network returns its input.
struct FeatureTask {
  Sandbox s;
  Model model;
  Objective objective;
  ParamSet theta = {};  ///< empty: what is learned stands where learning starts
  EpisodeVars episode = {};

  /// Numbers as targets.
  FeatureTask(const Shape& x, const Values& support, const Values& targets, const Shape& queries,
              const Values& query)
      : objective(regression_objective()) {
    declare(x, support, queries, query, 1);
    episode.support_y = s.value({x[0], 1}, targets);
  }
  /// Labels 0 .. classes - 1 in turn.
  FeatureTask(const Shape& x, const Values& support, std::int64_t classes, const Shape& queries,
              const Values& query)
      : objective(classification_objective()) {
    declare(x, support, queries, query, classes);
    Values labels;
    for (std::int64_t i = 0; i < x[0]; ++i) labels.push_back(double(i % classes));
    episode.support_y = s.value({x[0]}, labels, DType::i32);
  }

  TaskBatch batch() {
    return {.model = model,
            .objective = objective,
            .theta = theta,
            .episode = episode,
            .iteration = s.scalar(0)};
  }
  Values predictions(const Adaptation& a) {
    return s.run(a.learn(batch(), 1).predict(0, episode.query_x));
  }

 private:
  void declare(const Shape& x, const Values& support, const Shape& queries, const Values& query,
               std::int64_t outputs) {
    model = {.name = "identity",
             .parameters = {},
             .input = {x[1]},
             .feature_count = x[1],
             .outputs = outputs,
             .body = [](const ParamSet&, Var v, const BatchNormPass&) { return v; },
             .head = {}};
    episode.support_x = s.value(x, support);
    episode.query_x = s.value(queries, query);
  }
};

/// Row-major matrices in plain loops.
struct Plain {
  std::int64_t rows, columns;
  Values v;

  double& operator()(std::int64_t i, std::int64_t j) { return v[std::size_t(i * columns + j)]; }
  double operator()(std::int64_t i, std::int64_t j) const {
    return v[std::size_t(i * columns + j)];
  }
};

inline Plain zeros(std::int64_t rows, std::int64_t columns) {
  return {rows, columns, Values(std::size_t(rows * columns))};
}

inline Plain transposed(const Plain& a) {
  Plain t = zeros(a.columns, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t j = 0; j < a.columns; ++j) t(j, i) = a(i, j);
  return t;
}

inline Plain product(const Plain& a, const Plain& b) {
  Plain c = zeros(a.rows, b.columns);
  for (std::int64_t i = 0; i < a.rows; ++i)
    for (std::int64_t k = 0; k < a.columns; ++k)
      for (std::int64_t j = 0; j < b.columns; ++j) c(i, j) += a(i, k) * b(k, j);
  return c;
}

/// One-hot rows of the labels 0 .. classes - 1 in turn.
inline Plain one_hot(std::int64_t rows, std::int64_t classes) {
  Plain y = zeros(rows, classes);
  for (std::int64_t i = 0; i < rows; ++i) y(i, i % classes) = 1;
  return y;
}

}  // namespace metatape
