#include "meta/adapt/step_sizes.h"

#include <algorithm>

#include "engine/ops.h"

namespace metatape {
namespace {

std::string rate_name(const std::string& parameter) { return "inner_rate." + parameter; }

}  // namespace

std::vector<Parameter> StepSizes::parameters(std::span<const Parameter> adapted) const {
  std::vector<Parameter> all;
  if (rates == Rates::fixed) return all;
  for (const Parameter& p : adapted) {
    Parameter rate = p;  // files hold per_element rates in the order of the elements
    if (rates == Rates::per_layer_step) rate = {.name = "", .group = "", .shape = {steps}};
    rate.name = rate_name(p.name);
    rate.group = parameter_group::kMethod;
    rate.init = {Initializer::Kind::constant, lr};
    rate.normalises = false;
    all.push_back(rate);
  }
  return all;
}

Var StepSizes::scale(const ParamSet& theta, const std::string& name, std::int64_t k,
                     Var direction) const {
  if (rates == Rates::fixed) return lr * direction;
  const Var rate = theta[rate_name(name)];
  if (rates == Rates::per_element) return rate * direction;
  const std::int64_t row = std::min(k, steps - 1);
  return reshape(slice(rate, 0, row, row + 1), {}) * direction;
}

}  // namespace metatape
