#include "models/mlp.h"

#include <cmath>

#include "engine/ops.h"
#include "models/initialisation.h"

namespace metatape {

Model make_mlp(const MlpOptions& o) {
  Model model{
      .name = "mlp", .parameters = {}, .input = {o.inputs}, .outputs = o.outputs, .forward = {}};
  std::int64_t inputs = o.inputs;
  for (std::size_t layer = 0; layer <= o.hidden.size(); ++layer) {
    const bool last = layer == o.hidden.size();
    const std::int64_t outputs = last ? o.outputs : o.hidden[layer];
    const std::string name = last ? "head" : fmt::format("layer{}", layer + 1);
    const std::string group = last ? "head" : "body";
    const Initializer weights =
        o.weight_deviation > 0
            ? Initializer{Initializer::Kind::truncated_normal, o.weight_deviation}
            : glorot_uniform(inputs, outputs);
    model.parameters.push_back({name + ".weight", group, {outputs, inputs}, weights});
    model.parameters.push_back({name + ".bias", group, {outputs}});
    inputs = outputs;
  }
  model.forward = [layers = o.hidden.size()](const ParamSet& p, Var x) {
    for (std::size_t layer = 0; layer < layers; ++layer) {
      const std::string name = fmt::format("layer{}", layer + 1);
      x = relu(matmul(x, p[name + ".weight"], {.transpose_b = true}) + p[name + ".bias"]);
    }
    return matmul(x, p["head.weight"], {.transpose_b = true}) + p["head.bias"];
  };
  return model;
}

}  // namespace metatape
