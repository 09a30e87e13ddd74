#include "models/mlp.h"

#include "engine/ops.h"
#include "models/initialisation.h"
#include "models/layers.h"

namespace metatape {
namespace {

/// x [N, inputs], context [C] -> [N, inputs + C]
Var with_context(Var x, Var context) {
  const Shape repeated{x.extent(0), context.extent(0)};
  const Var parts[] = {x, broadcast_to(context, repeated.with_tasks(context.tasks()))};
  return concat(parts, 1);
}

}  // namespace

Model make_mlp(const MlpOptions& o) {
  Model model{.name = "mlp", .input = {o.inputs}, .outputs = o.outputs};
  std::int64_t inputs = o.inputs + o.context;
  for (std::size_t layer = 0; layer <= o.hidden.size(); ++layer) {
    const bool last = layer == o.hidden.size();
    const std::int64_t outputs = last ? o.outputs : o.hidden[layer];
    const Initializer weight =
        o.weight_deviation > 0
            ? Initializer{Initializer::Kind::truncated_normal, o.weight_deviation}
            : glorot_uniform(inputs, outputs);
    declare_linear(model.parameters, last ? "head" : fmt::format("layer{}", layer + 1),
                   last ? parameter_group::kHead : parameter_group::kBody, inputs, outputs, weight);
    if (last) model.feature_count = inputs;
    inputs = outputs;
  }
  if (o.context) model.parameters.push_back({"context", parameter_group::kContext, {o.context}});

  model.body = [layers = o.hidden.size(), context = o.context > 0](const ParamSet& p, Var x,
                                                                   const BatchNormPass&) {
    if (context) x = with_context(x, p["context"]);
    for (std::size_t layer = 1; layer <= layers; ++layer)
      x = relu(linear(p, fmt::format("layer{}", layer), x));
    return x;
  };
  model.head = [](const ParamSet& p, Var features) { return linear(p, "head", features); };
  return model;
}

}  // namespace metatape
