#include "models/layers.h"

#include <numeric>

#include "engine/ops.h"
#include "models/initialisation.h"

namespace metatape {
namespace {

/// In the steps of the operation batch_norm, so that equal instructions merge.
BatchMoments moments_of(Var x) {
  std::vector<int> batch_axes(std::size_t(x.rank() - 1));
  std::iota(batch_axes.begin(), batch_axes.end(), 0);
  const Var mean = mean_axes(x, batch_axes), centred = x - mean;
  const double count = double(x.shape().elements_per_task()) / double(x.extent(-1));
  return {mean, sum_product_to(centred, centred, mean.shape()) / count};
}

const BatchMoments& given_moments(const BatchStatistics& given, const std::string& layer) {
  const auto found = given.find(layer);
  if (found != given.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, moments] : given) names.push_back(name);
  fail(ErrorKind::usage, layer,
       "no batch-norm statistics of that layer are given; there are: {}; "
       "collect them with a pass of the same network",
       fmt::join(names, ", "));
}

}  // namespace

void declare_linear(Parameters& parameters, const std::string& layer, const std::string& group,
                    std::int64_t inputs, std::int64_t outputs, const Initializer& weight,
                    double bias) {
  parameters.push_back({layer + ".weight", group, {outputs, inputs}, weight});
  parameters.push_back({layer + ".bias", group, {outputs}, {Initializer::Kind::constant, bias}});
}

Var linear(const ParamSet& p, const std::string& layer, Var x) {
  return matmul(x, p[layer + ".weight"], {.transpose_b = true}) + p[layer + ".bias"];
}

void declare_head(Parameters& parameters, std::int64_t features, std::int64_t outputs,
                  double deviation) {
  const Initializer weight = deviation > 0 ? Initializer{Initializer::Kind::normal, deviation}
                                           : glorot_uniform(features, outputs);
  declare_linear(parameters, "head", parameter_group::kHead, features, outputs, weight);
}

void declare_convolution(Parameters& parameters, const std::string& layer, std::int64_t filters,
                         std::int64_t size, std::int64_t channels, const Initializer& weight) {
  parameters.push_back({.name = layer + ".weight",
                        .group = parameter_group::kBody,
                        .shape = {filters, size, size, channels},
                        .init = weight,
                        .layout = FileLayout::filter});
}

void declare_batch_norm(Parameters& parameters, const std::string& layer, std::int64_t channels) {
  parameters.push_back({.name = layer + ".weight",
                        .group = parameter_group::kBody,
                        .shape = {channels},
                        .init = {Initializer::Kind::constant, 1},
                        .normalises = true});
  parameters.push_back({.name = layer + ".bias",
                        .group = parameter_group::kBody,
                        .shape = {channels},
                        .normalises = true});
}

Var batch_norm(const ParamSet& p, const std::string& layer, Var x, double epsilon,
               const BatchNormPass& pass) {
  const Var scale = p[layer + ".weight"], shift = p[layer + ".bias"];
  if (pass.seen) (*pass.seen)[layer] = moments_of(x);
  if (!pass.given) return batch_norm(x, scale, shift, epsilon);
  const auto& [mean, variance] = given_moments(*pass.given, layer);
  return (x - mean) * (rsqrt(variance + epsilon) * scale) + shift;
}

}  // namespace metatape
