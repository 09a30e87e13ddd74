#include "engine/ops.h"
#include "meta/adapt/closed_form.h"
#include "meta/method/part.h"

namespace metatape {
namespace {

class Prototypes : public Adaptation {
 public:
  explicit Prototypes(const ClosedFormOptions& o) : o_(o) {}

  bool replaces_head() const override { return true; }

  Learned learn(const TaskBatch& tasks, std::int64_t) const override {
    const Scope scope(*tasks.iteration.tape, "prototypes");
    const Var y = support_targets(tasks);
    const int over_examples[] = {0};
    const Var share = y / sum_axes(y, over_examples);  // each column sums to 1
    const Var means = matmul(share, support_features(tasks), {.transpose_a = true});
    const Var prototypes = o_.first_order ? stop_gradient(means) : means;
    Learned learned;
    learned.predict = [tasks, prototypes](std::int64_t, Var x) {
      return -squared_distances(query_features(tasks, tasks.theta, x), prototypes);
    };
    return learned;
  }

 private:
  ClosedFormOptions o_;
};

}  // namespace

std::shared_ptr<const Adaptation> make_prototypes(const ClosedFormOptions& options) {
  return std::make_shared<Prototypes>(options);
}

const Part<Adaptation> prototypes_part{
    .name = "prototypes",
    .formula = "logits -|z_q - c_m|^2, c_m the mean feature of class m in the support set",
    .source = "Snell, Swersky, Zemel 2017, arXiv:1703.05175, eq. 1 and 2",
    .make = [](const Config& c) { return make_prototypes(closed_form_options(c)); },
    .check =
        [](const Config& c) {
          check_closed_form(c);
          check_classes(c);
        },
};

}  // namespace metatape
