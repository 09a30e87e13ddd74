#include "meta/outer/finite_difference.h"

#include "engine/ops.h"

namespace metatape {
namespace {

class FiniteDifference : public MetaGradient {
 public:
  explicit FiniteDifference(const FiniteDifferenceOptions& o) : o_(o) {}

  ParamSet of(const TaskBatch& tasks, Learned& learned, Var) const override {
    auto solution = [&](double nu) {
      return proximal_steps(tasks, learned.steps, o_.proximal, nu).phi.back();
    };
    const ParamSet below = o_.symmetric ? solution(-o_.nu) : learned.trajectory.phi.back();
    const double width = o_.symmetric ? 2 * o_.nu : o_.nu;
    return (o_.proximal.lambda / width) * (below - solution(o_.nu));
  }

 private:
  FiniteDifferenceOptions o_;
};

}  // namespace

std::shared_ptr<const MetaGradient> make_finite_difference(const FiniteDifferenceOptions& options) {
  return std::make_shared<FiniteDifference>(options);
}

}  // namespace metatape
