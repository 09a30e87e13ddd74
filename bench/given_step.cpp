#include "bench/given_step.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/io/file_layout.h"

namespace metatape::bench {
namespace {

constexpr double kRate = 65536;  // a power of two: dividing by it is exact

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / double(values.size());
}

/// A value of the parameter as the file holds it, in the order used inside.
std::vector<double> inside(const std::vector<double>& file, const Parameter& p) {
  const auto t = Tensor::of(file_shape(p), DType::f64, std::span<const double>(file));
  return from_file_layout(t, p).values();
}

/// [T,N,C,H,W] as [T,N,H,W,C].
std::vector<double> channels_last(const std::vector<double>& x,
                                  const std::vector<std::int64_t>& shape) {
  const std::int64_t images = shape[0] * shape[1], channels = shape[2];
  const std::int64_t pixels = shape[3] * shape[4];
  std::vector<double> y(x.size());
  for (std::int64_t n = 0; n < images; ++n)
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t i = 0; i < pixels; ++i)
        y[std::size_t((n * pixels + i) * channels + c)] =
            x[std::size_t((n * channels + c) * pixels + i)];
  return y;
}

/// Difference of two values over all parameters.
struct Distance {
  double error = 0, norm = 0, largest_relative = 0;

  void add(const std::vector<double>& found, const std::vector<double>& reference) {
    double difference = 0, scale = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double d = found[i] - reference[i];
      error += d * d;
      norm += reference[i] * reference[i];
      if (!(std::abs(d) <= difference)) difference = std::abs(d);  // NaN stays
      scale = std::max(scale, std::abs(reference[i]));
    }
    if (!(difference / scale <= largest_relative)) largest_relative = difference / scale;
  }
};

}  // namespace

GivenStep::GivenStep(const std::string& path, std::vector<Parameter> parameters, DType precision)
    : file_(path), tasks_(file_->at("loss").shape.at(0)), parameters_(std::move(parameters)) {
  for (const Parameter& p : parameters_)
    for (const char* kind : {"theta/", "task_grad/"})
      if (!file_->find(kind + p.name))
        fail(ErrorKind::io, path, "no {}{}: the file is of another network than these settings",
             kind, p.name);
  for (const char* name : {"support_x", "query_x"}) {
    const std::vector<double> images =
        channels_last(file_->values<double>(name), file_->at(name).shape);
    Tensor& held = episodes_[name] = Tensor({std::int64_t(images.size())}, precision);
    held.set(std::span<const double>(images));
  }
  for (const char* name : {"support_y", "query_y"}) {
    const std::vector<std::int32_t> labels = file_->values<std::int32_t>(name);
    Tensor& held = episodes_[name] = Tensor({std::int64_t(labels.size())}, DType::i32);
    held.set(std::span<const std::int32_t>(labels));
  }
}

void GivenStep::use_gradient_descent(Config& config) {
  config.outer.optimizer = "sgd";
  config.outer.momentum = 0;
  config.outer.lr = kRate;
}

void GivenStep::write_parameters(StateStore& store) const {
  for (const Parameter& p : parameters_) {
    const std::vector<double> values = inside(file_->values<double>("theta/" + p.name), p);
    store.at("theta/" + p.name).set(std::span<const double>(values));
  }
}

void GivenStep::write_episodes(Executor& executor, std::int64_t first_task) const {
  for (const auto& [name, held] : episodes_) {
    const std::span<std::byte> input = executor.input(name).bytes();
    const std::span<const std::byte> all = held.bytes();
    std::ranges::copy(
        all.subspan(all.size() / std::size_t(tasks_) * std::size_t(first_task), input.size()),
        input.begin());
  }
}

nlohmann::json GivenStep::agreement(const StateStore& after, double mean_loss) const {
  Distance distance;
  for (const Parameter& p : parameters_) {
    const std::vector<double> of_tasks = file_->values<double>("task_grad/" + p.name);
    const auto count = std::size_t(p.shape.elements());
    const std::size_t tasks = of_tasks.size() / count;
    std::vector<double> reference(count);
    for (std::size_t i = 0; i < of_tasks.size(); ++i)
      reference[i % count] += of_tasks[i] / double(tasks);
    const std::vector<double> theta = file_->values<double>("theta/" + p.name);
    std::vector<double> found = inside(theta, p);
    const std::vector<double> updated = after.at("theta/" + p.name).values();
    for (std::size_t i = 0; i < count; ++i) found[i] = (found[i] - updated[i]) / kRate;
    distance.add(found, inside(reference, p));
  }
  const double loss = mean(file_->values<double>("loss"));
  return {{"loss_max_relative", std::abs(mean_loss - loss) / std::abs(loss)},
          {"meta_grad_nmse", distance.error / distance.norm},
          {"meta_grad_max_relative", distance.largest_relative}};
}

}  // namespace metatape::bench
