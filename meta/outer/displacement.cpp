#include "meta/outer/displacement.h"

namespace metatape {
namespace {

class Displacement : public MetaGradient {
 public:
  ParamSet of(const TaskBatch& tasks, Learned& learned, Var) const override {
    if (learned.trajectory.phi.size() < 2)
      fail(ErrorKind::usage, "outer.gradient",
           "displacement is that of the inner steps, and the method takes none; use "
           "differentiated or inner.steps=5");
    return stop_gradient(tasks.theta - learned.trajectory.phi.back());
  }
};

}  // namespace

std::shared_ptr<const MetaGradient> make_displacement() { return std::make_shared<Displacement>(); }

}  // namespace metatape
