#include <cmath>

#include "engine/ops.h"
#include "engine/optim/optimizer.h"

namespace metatape {
namespace {

class Adam : public Optimizer {
 public:
  explicit Adam(const AdamOptions& o) : o_(o) {}

  std::vector<Update> step(const ParamSet& parameters, const ParamSet& gradient) const override {
    Tape& tape = *parameters.entries().at(0).value.tape;
    const DType dtype = parameters.entries()[0].value.dtype();
    const Var lr = tape.state(kLearningRateState, {}, dtype);
    const Var count = tape.state("optimizer/step", {}, dtype);
    const Var t = count + 1.0;
    // 1 - b^t = -expm1(t log b) keeps its digits while b^t is near 1.
    const Var correction1 = -expm1(t * std::log(o_.beta1));
    const Var correction2 = -expm1(t * std::log(o_.beta2));
    std::vector<Update> updates{{count, t}};
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto& [name, group, theta] = parameters.entries()[i];
      const Var g = gradient.entries()[i].value;
      const Var m = tape.state("optimizer/m/" + name, theta.shape(), dtype);
      const Var v = tape.state("optimizer/v/" + name, theta.shape(), dtype);
      const Var m_next = o_.beta1 * m + (1 - o_.beta1) * g;
      const Var v_next = o_.beta2 * v + (1 - o_.beta2) * square(g);
      const Var scale = sqrt(v_next / correction2) + o_.epsilon;
      updates.push_back({m, m_next});
      updates.push_back({v, v_next});
      updates.push_back({theta, theta - lr * ((m_next / correction1) / scale)});
    }
    return updates;
  }

 private:
  AdamOptions o_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adam(const AdamOptions& o) { return std::make_unique<Adam>(o); }

}  // namespace metatape
