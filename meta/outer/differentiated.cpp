#include "engine/autodiff.h"
#include "meta/outer/meta_gradient.h"

namespace metatape {
namespace {

class Differentiated : public MetaGradient {
 public:
  ParamSet of(const TaskBatch& tasks, Learned&, Var outer_loss) const override {
    return grad(outer_loss, tasks.theta);
  }
};

}  // namespace

std::shared_ptr<const MetaGradient> make_differentiated() {
  return std::make_shared<Differentiated>();
}

}  // namespace metatape
