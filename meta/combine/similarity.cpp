#include <limits>

#include "engine/ops.h"
#include "meta/combine/combination.h"
#include "meta/method/part.h"
#include "meta/settings/refuse.h"

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

const Part<Combination> similarity_part{
    .name = "similarity",
    .formula = "(1/m) sum_i (1 + (1/m) sum_{j != i} cos(g_i, g_j)) g_i, cosines constant",
    .source = "O-AMFS, arXiv:2411.00404",
    .reading =
        "the equation at hand adds a scalar to a vector; weighted losses and g_i + (1/m) "
        "sum_{j != i} cos(g_i, g_j) g_j, the other readings, have the same mean",
    .make = [](const Config&) { return make_similarity(); },
    .check =
        [](const Config& c) {
          refuse_if(c.outer.tasks < 2, "outer.combine",
                    "similarity compares tasks, found outer.tasks={}; use outer.tasks=2 or more, "
                    "or mean",
                    c.outer.tasks);
        },
};

}  // namespace metatape
