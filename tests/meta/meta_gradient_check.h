#pragma once

// Meta-gradients against central differences, with batch norm and several tasks.

#include <gtest/gtest.h>

#include <cmath>

#include "meta/method/method.h"
#include "models/conv4.h"
#include "tests/support/compare.h"
#include "tests/support/sandbox.h"
#include "tests/support/tolerance.h"

namespace metatape {

/// Two 3-way tasks of 16x16 noise and a conv4 of two filters, in f64.
struct ImageProblem {
  static constexpr std::int64_t kTasks = 2, kWays = 3;

  explicit ImageProblem(std::int64_t shots = 1, std::int64_t context = 0)
      : model(make_conv4(
            {.height = 16, .width = 16, .classes = kWays, .filters = 2, .context = context})) {
    const auto images = [&](std::int64_t per_class) {
      return draw(Shape{kWays * per_class, 16, 16, 1}.with_tasks(kTasks));
    };
    episode = {images(shots), labels(shots), images(2), labels(2)};
  }

  MetaStep record(const Method& method, double iteration = 0) {
    for (const Parameter& p : method.adaptation->parameters(model)) model.parameters.push_back(p);
    ParamSet theta;
    for (const Parameter& p : model.parameters) {
      std::vector<double> values(std::size_t(p.shape.elements()));
      const bool constant = p.init.kind == Initializer::Kind::constant;
      for (double& v : values) v = 0.2 * next() + (constant ? p.init.scale : 0);
      states_.push_back("value/" + std::to_string(s.store.size()));
      theta.add(p.name, p.group, s.value(p.shape, values));
    }
    theta_ = theta;
    iteration_ = s.scalar(iteration);
    TaskBatch tasks = batch();
    tasks.theta = theta;
    return record_meta_step(method, tasks);
  }

  /// The tasks of the last record(), each with its own copy of theta.
  TaskBatch batch() {
    return {.model = model,
            .objective = objective,
            .theta = broadcast_tasks(theta_, kTasks),
            .episode = episode,
            .iteration = iteration_};
  }

  /// The sum of the tasks' gradients along a direction, for each parameter, against the slope of
  /// the summed outer losses.
  void expect_gradient_of(const MetaStep& step) {
    const std::vector<Var> gradient = step.task_gradient.values();
    std::vector<Tensor> exact = s.run_all(gradient);
    const Program program = compile(s.tape, {.fetch = {sum_tasks(step.outer_loss)}});
    std::vector<double> slopes, expected;
    for (std::size_t i = 0; i < theta_.size(); ++i) {
      const auto& entry = theta_.entries()[i];
      const std::int64_t n = entry.value.shape().elements_per_task();
      std::vector<double> direction(static_cast<std::size_t>(n));
      for (double& d : direction) d = next();
      double slope = 0;
      for (std::int64_t e = 0; e < exact[i].elements(); ++e)
        slope += exact[i].at(e) * direction[std::size_t(e % n)];
      slopes.push_back(slope);
      expected.push_back((moved(program, states_[i], direction, kStep) -
                          moved(program, states_[i], direction, -kStep)) /
                         (2 * kStep));
    }
    expect_all_near(slopes, expected, tolerance::kMetaGradient, "slope of the outer loss");
  }

  Sandbox s;
  Model model;
  Objective objective = classification_objective();
  EpisodeVars episode;

 private:
  /// Small, so that no unit crosses the kink of its ReLU: 1e-5 does, in one case.
  static constexpr double kStep = 1e-7;

  double moved(const Program& program, const std::string& state,
               const std::vector<double>& direction, double by) {
    StateStore store = s.store;
    Tensor& value = store.at(state);
    for (std::int64_t e = 0; e < value.elements(); ++e)
      value.set_at(e, value.at(e) + by * direction[std::size_t(e)]);
    CpuExecutor executor(program, store);
    executor.run();
    return executor.fetch(0).at(0);
  }
  double next() { return std::sin(angle_ += 0.7); }
  Var draw(const Shape& shape) {
    std::vector<double> values(static_cast<std::size_t>(shape.elements()));
    for (double& v : values) v = std::sin(phase_ = 1.3 * phase_ + 0.7 - 5 * std::floor(phase_ / 5));
    return s.value(shape, values);
  }
  Var labels(std::int64_t per_class) {
    std::vector<double> values;
    for (std::int64_t t = 0; t < kTasks; ++t)
      for (std::int64_t c = 0; c < kWays; ++c)
        for (std::int64_t i = 0; i < per_class; ++i) values.push_back(double(c));
    return s.value(Shape{kWays * per_class}.with_tasks(kTasks), values, DType::i32);
  }

  ParamSet theta_;
  std::vector<std::string> states_;  ///< of theta, in its order
  Var iteration_;
  double angle_ = 0.1, phase_ = 0.1;
};

}  // namespace metatape
