#include "meta/combine/combination.h"
#include "meta/method/part.h"

namespace metatape {
namespace {

class Mean : public Combination {
 public:
  ParamSet combine(const ParamSet& task_gradient) const override {
    return mean_tasks(task_gradient);
  }
};

}  // namespace

std::shared_ptr<const Combination> make_mean() { return std::make_shared<Mean>(); }

const Part<Combination> mean_part{
    .name = "mean",
    .formula = "(1/m) sum_i g_i over the meta-gradients of m tasks",
    .source = "Finn, Abbeel, Levine 2017, arXiv:1703.03400, algorithm 1",
    .make = [](const Config&) { return make_mean(); },
};

}  // namespace metatape
