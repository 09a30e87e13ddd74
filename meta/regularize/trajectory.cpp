#include "meta/regularize/trajectory.h"

#include "engine/ops.h"

namespace metatape {
namespace {

constexpr double kLeastSquare = 1e-30;  // far below any step, and a normal number in f32

Var length(const ParamSet& difference) {
  const Var square = dot(difference, difference);
  return sqrt(maximum(fill(*square.tape, {}, kLeastSquare, square.dtype()), square));
}

/// The entries of `all` that the inner loop changes.
ParamSet adapted(const Trajectory& t, const ParamSet& all) {
  std::vector<Var> values;
  for (const auto& entry : t.gradient.front().entries()) values.push_back(all[entry.name]);
  return t.gradient.front().with_values(values);
}

}  // namespace

Var path_length(const Trajectory& t) {
  Var total;
  for (std::size_t k = 0; k + 1 < t.phi.size(); ++k) {
    const Var part = length(adapted(t, t.phi[k + 1]) - adapted(t, t.phi[k]));
    total = total ? total + part : part;
  }
  return total;
}

Var phase_consistency(const Trajectory& t) {
  return path_length(t) / length(adapted(t, t.phi.back()) - adapted(t, t.phi.front()));
}

Var amplitude_consistency(const Trajectory& t, const ParamSet& last) {
  Var total = length(last);
  for (std::size_t k = 1; k < t.gradient.size(); ++k) total = total + length(t.gradient[k]);
  return total / length(t.gradient.front()) / double(t.gradient.size());
}

Var straight_amplitude(const Trajectory& t) {
  return stop_gradient(path_length(t) / length(t.gradient.front()));
}

ParamSet straight_step(const Trajectory& t, Var amplitude) {
  const ParamSet& gradient = t.gradient.front();
  std::vector<Var> values = t.phi.front().values();
  std::size_t i = 0;
  for (const auto& [name, group, g] : gradient.entries()) {
    while (t.phi.front().entries()[i].name != name) ++i;  // the same order, with gaps
    values[i] = values[i] - amplitude * g;
  }
  return t.phi.front().with_values(values);
}

}  // namespace metatape
