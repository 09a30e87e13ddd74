#include "meta/adapt/step_norms.h"

#include <algorithm>

#include "engine/ops.h"

namespace metatape {
namespace {

std::string norm_name(const std::string& parameter) { return "step_norm." + parameter; }

}  // namespace

std::vector<Parameter> step_norm_parameters(const Model& model, std::int64_t steps) {
  std::vector<Parameter> all;
  for (const Parameter& p : model.parameters)
    if (p.normalises)
      all.push_back({.name = norm_name(p.name),
                     .group = parameter_group::kMethod,
                     .shape = {steps, p.shape[0]},
                     .init = p.init});
  return all;
}

ParamSet with_step_norms(const Model& model, const ParamSet& phi, std::int64_t k) {
  std::vector<Var> values = phi.values();
  for (const Parameter& p : model.parameters) {
    if (!p.normalises) continue;
    const Var all = phi[norm_name(p.name)];
    const std::int64_t row = std::min(k, all.extent(0) - 1);
    for (std::size_t i = 0; i < phi.size(); ++i)
      if (phi.entries()[i].name == p.name)
        values[i] = reshape(slice(all, 0, row, row + 1), {all.extent(1)});
  }
  return phi.with_values(values);
}

}  // namespace metatape
