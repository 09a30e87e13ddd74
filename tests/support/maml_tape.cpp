#include "tests/support/maml_tape.h"

#include <cmath>
#include <memory>
#include <random>

#include "engine/autodiff.h"
#include "engine/exec/executor.h"
#include "engine/ops.h"

namespace metatape {
namespace {

constexpr std::int64_t kChannels = 2;

std::vector<Parameter> parameters_of(const MamlOptions& o) {
  std::vector<Parameter> list;
  std::int64_t channels = kChannels, size = o.size;
  for (int block = 0; block < o.blocks; ++block) {
    const std::string name = "conv" + std::to_string(block);
    list.push_back({name + ".weight", "body", {o.filters, 3, 3, channels}});
    list.push_back({name + ".gamma", "body", {o.filters}});
    list.push_back({name + ".beta", "body", {o.filters}});
    channels = o.filters;
    size /= 2;
  }
  list.push_back({"head.weight", "head", {o.ways, size * size * channels}});
  list.push_back({"head.bias", "head", {o.ways}});
  return list;
}

Tensor random_tensor(const Shape& shape, DType dtype, double deviation, std::mt19937_64& random) {
  Tensor value(shape, dtype);
  std::normal_distribution<double> normal(0, deviation);
  for (std::int64_t i = 0; i < value.elements(); ++i) value.set_at(i, normal(random));
  return value;
}

}  // namespace

MamlTape::MamlTape(const MamlOptions& o) : options(o) {
  std::mt19937_64 random(17);
  const std::vector<Parameter> parameters = parameters_of(o);
  theta = declare_parameters(tape, parameters, o.dtype);
  for (const Parameter& p : parameters)
    store["theta/" + p.name] = random_tensor(p.shape, o.dtype, 0.4, random);
  const Shape images = Shape{o.images, o.size, o.size, kChannels}.with_tasks(o.tasks);
  const Shape labels = Shape{o.images}.with_tasks(o.tasks);
  const Var support_x = declare_input("support_x", images, o.dtype);
  const Var support_y = declare_input("support_y", labels, DType::i32);
  const Var query_x = declare_input("query_x", images, o.dtype);
  const Var query_y = declare_input("query_y", labels, DType::i32);

  ParamSet adapted = broadcast_tasks(theta, o.tasks);
  for (int step = 0; step < o.steps; ++step) {
    const Scope scope(tape, "inner/" + std::to_string(step));
    const auto segment = o.recompute ? std::make_unique<RecomputeSegment>(tape) : nullptr;
    ParamSet gradient = grad(cross_entropy(network(adapted, support_x), support_y), adapted);
    if (o.first_order) gradient = stop_gradient(gradient);
    adapted = adapted - o.lr * gradient;
  }
  const Scope scope(tape, "outer");
  loss = mean_tasks(cross_entropy(network(adapted, query_x), query_y));
  meta_gradient = grad(loss, theta);
}

Var MamlTape::declare_input(const char* name, const Shape& shape, DType dtype) {
  std::mt19937_64 random(inputs.size() + 1);
  Tensor value = random_tensor(shape, dtype, 1, random);
  if (dtype == DType::i32)
    for (std::int64_t i = 0; i < value.elements(); ++i) value.set_at(i, double(i % options.ways));
  inputs[name] = value;
  return tape.input(name, shape, dtype);
}

Var MamlTape::network(const ParamSet& p, Var h) const {
  for (int block = 0; block < options.blocks; ++block) {
    const std::string name = "conv" + std::to_string(block);
    h = conv2d(h, p[name + ".weight"], {.stride = 1, .pad = 1});
    h = batch_norm(h, p[name + ".gamma"], p[name + ".beta"]);
    h = max_pool2d(relu(h));
  }
  h = reshape(h, {h.extent(0), h.extent(1) * h.extent(2) * h.extent(3)});
  return matmul(h, p["head.weight"], {.transpose_b = true}) + p["head.bias"];
}

std::vector<Var> MamlTape::fetches() const {
  std::vector<Var> all{loss};
  for (Var v : meta_gradient.values()) all.push_back(v);
  return all;
}

void MamlTape::feed(Executor& executor) const {
  for (const auto& [name, value] : inputs)
    if (executor.has_input(name)) executor.feed(name, value);
}

}  // namespace metatape
