#include "meta/outer/outer_rule.h"

#include "engine/ops.h"

namespace metatape {
namespace {

Var within(Var g, double bound) {
  const Var most = fill(*g.tape, {}, bound, g.dtype());
  return minimum(maximum(g, -most), most);
}

}  // namespace

ParamSet clipped(const ParamSet& gradient, const ClipOptions& o) {
  ParamSet g = gradient;
  if (o.element > 0) {
    std::vector<Var> values;
    for (const Var& value : g.values()) values.push_back(within(value, o.element));
    g = g.with_values(values);
  }
  if (o.norm > 0) {
    const Var most = fill(*g.entries().at(0).value.tape, {}, o.norm, g.entries()[0].value.dtype());
    g = (most / maximum(norm(g), most)) * g;
  }
  return g;
}

}  // namespace metatape
