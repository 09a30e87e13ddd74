#include <limits>

#include "engine/ops.h"
#include "meta/combine/combination.h"

namespace metatape {
namespace {

class Similarity : public Combination {
 public:
  ParamSet combine(const ParamSet& gradient) const override {
    const Var length = norm(gradient);
    const double tasks = double(length.tasks());
    // A zero gradient is similar to none: the bound keeps its direction zero.
    const Var at_least = fill(*length.tape, {}, std::numeric_limits<float>::min(), length.dtype());
    const ParamSet direction = reciprocal(maximum(length, at_least)) * gradient;
    const Var agreement = dot(direction, tasks * mean_tasks(direction));
    const Var factor = (1 / tasks) * (agreement - 1.0) + 1.0;
    return mean_tasks(stop_gradient(factor) * gradient);
  }
};

}  // namespace

std::shared_ptr<const Combination> make_similarity() { return std::make_shared<Similarity>(); }

}  // namespace metatape
