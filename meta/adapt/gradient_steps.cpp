#include <optional>

#include "engine/autodiff.h"
#include "engine/ops.h"
#include "meta/method.h"

namespace metatape {
namespace {

bool is_adapted(const std::string& group, Adaptation::Adapted which) {
  switch (which) {
    case Adaptation::Adapted::all:
      return true;
    case Adaptation::Adapted::head:
      return group == parameter_group::kHead;
    case Adaptation::Adapted::body:
      return group == parameter_group::kBody;
  }
  return true;
}

/// theta' = theta - lr gradient for the adapted entries.
ParamSet inner_step(const Model& model, const ParamSet& phi, Var x, Var y,
                    const Objective& objective, const Adaptation& a) {
  std::vector<Var> adapted;
  for (const auto& entry : phi.entries())
    if (is_adapted(entry.group, a.adapted)) adapted.push_back(entry.value);
  const Var loss = objective.loss(model.forward(phi, x), y);
  const std::vector<Var> gradient = grad(loss, adapted);

  std::vector<Var> next;
  std::size_t k = 0;
  for (const auto& entry : phi.entries()) {
    if (!is_adapted(entry.group, a.adapted)) {
      next.push_back(entry.value);
      continue;
    }
    const Var g = a.order == Adaptation::Order::first ? stop_gradient(gradient[k]) : gradient[k];
    next.push_back(entry.value - a.lr * g);
    ++k;
  }
  return phi.with_values(next);
}

}  // namespace

std::vector<ParamSet> adapt(const Model& model, const ParamSet& theta, Var support_x, Var support_y,
                            const Objective& objective, const Adaptation& a) {
  Tape& tape = *support_x.tape;
  std::vector<ParamSet> phi{theta};
  for (std::int64_t k = 0; k < a.steps; ++k) {
    const Scope scope(tape, fmt::format("inner/{}", k));
    std::optional<RecomputeSegment> segment;
    if (a.recompute) segment.emplace(tape);
    phi.push_back(inner_step(model, phi.back(), support_x, support_y, objective, a));
  }
  return phi;
}

}  // namespace metatape
