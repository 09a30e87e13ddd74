#include "engine/ops.h"
#include "engine/optim/optimizer.h"

namespace metatape {
namespace {

class Sgd : public Optimizer {
 public:
  explicit Sgd(const SgdOptions& o) : options_(o) {}

  std::vector<Update> step(const ParamSet& parameters, const ParamSet& gradient) const override {
    Tape& tape = *parameters.entries().at(0).value.tape;
    const Var lr = tape.state(kLearningRateState, {}, parameters.entries()[0].value.dtype());
    std::vector<Update> updates;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto& [name, group, theta] = parameters.entries()[i];
      Var direction = gradient.entries()[i].value;
      if (options_.momentum != 0) {
        const Var velocity = tape.state("optimizer/velocity/" + name, theta.shape(), theta.dtype());
        direction = options_.momentum * velocity + direction;
        updates.push_back({velocity, direction});
      }
      updates.push_back({theta, theta - lr * direction});
    }
    return updates;
  }

 private:
  SgdOptions options_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(const SgdOptions& o) { return std::make_unique<Sgd>(o); }

}  // namespace metatape
