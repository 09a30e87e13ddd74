#include "meta/combine/combination.h"

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

}  // namespace metatape
