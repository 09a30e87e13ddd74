#include "engine/ops.h"
#include "engine/optim/optimizer.h"

namespace metatape {
namespace {

class NormalizedSgd : public Optimizer {
 public:
  explicit NormalizedSgd(const NormalizedSgdOptions& o) : o_(o) {}

  std::vector<Update> step(const ParamSet& parameters, const ParamSet& gradient) const override {
    std::vector<Update> updates;
    const ParamSet direction =
        o_.momentum == 0 ? gradient : averaged(parameters, gradient, updates);
    Tape& tape = *parameters.entries().at(0).value.tape;
    const Var lr = tape.state(kLearningRateState, {}, parameters.entries()[0].value.dtype());
    const Var rate = lr / (norm(direction) + o_.epsilon);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Var theta = parameters.entries()[i].value;
      updates.push_back({theta, theta - rate * direction.entries()[i].value});
    }
    return updates;
  }

 private:
  ParamSet averaged(const ParamSet& parameters, const ParamSet& gradient,
                    std::vector<Update>& updates) const {
    std::vector<Var> values;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto& [name, group, theta] = parameters.entries()[i];
      const Var m = theta.tape->state("optimizer/m/" + name, theta.shape(), theta.dtype());
      values.push_back(o_.momentum * m + (1 - o_.momentum) * gradient.entries()[i].value);
      updates.push_back({m, values.back()});
    }
    return gradient.with_values(values);
  }

  NormalizedSgdOptions o_;
};

}  // namespace

std::unique_ptr<Optimizer> make_normalized_sgd(const NormalizedSgdOptions& o) {
  return std::make_unique<NormalizedSgd>(o);
}

}  // namespace metatape
