#include "meta/adapt/inner_adam.h"

#include <cmath>

#include "engine/ops.h"

namespace metatape {
namespace {

constexpr double kBeta = 0.999, kEpsilon = 1e-8;

}  // namespace

ParamSet InnerAdam::direction(const ParamSet& gradient) {
  const double correction = -std::expm1(++steps_ * std::log(kBeta));
  std::vector<Var> directions;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const Var g = gradient.entries()[i].value;
    const Var fresh = (1 - kBeta) * square(g);
    if (steps_ == 1)
      second_moments_.push_back(fresh);
    else
      second_moments_[i] = kBeta * second_moments_[i] + fresh;
    directions.push_back(g / (sqrt(second_moments_[i] / correction) + kEpsilon));
  }
  return gradient.with_values(directions);
}

}  // namespace metatape
