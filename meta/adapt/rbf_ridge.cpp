#include <cmath>

#include "engine/ops.h"
#include "meta/adapt/closed_form.h"
#include "meta/method/part.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

constexpr const char* kLogLambda = "rbf_ridge.log_lambda";
constexpr const char* kLogScale = "rbf_ridge.log_scale";

class RbfRidge : public Adaptation {
 public:
  explicit RbfRidge(const ClosedFormOptions& o) : o_(o) {}

  std::vector<Parameter> parameters(const Model&) const override {
    std::vector<Parameter> all;
    if (o_.learn) {
      all.push_back(learned_number(kLogKernelWidth, std::log(o_.sigma)));
      all.push_back(learned_number(kLogLambda, std::log(o_.lambda)));
    }
    all.push_back(learned_number(kLogScale, std::log(o_.scale)));
    return all;
  }
  bool replaces_head() const override { return true; }

  Learned learn(const TaskBatch& tasks, std::int64_t) const override {
    const Scope scope(*tasks.iteration.tape, "rbf_ridge");
    const Var z = support_features(tasks);
    const Var log_sigma = learned_number(tasks, kLogKernelWidth, std::log(o_.sigma));
    const Var gamma = 0.5 * exp(-2.0 * log_sigma);
    const Var gram = rbf_gram(z, z, gamma);
    const Var lambda = exp(learned_number(tasks, kLogLambda, std::log(o_.lambda)));
    const Var fitted = solve_positive_definite(with_ridge(gram, lambda), centred_targets(tasks));
    const Var coefficients = o_.first_order ? stop_gradient(fitted) : fitted;
    Learned learned;
    learned.predict = [tasks, z, gamma, coefficients, o = o_](std::int64_t, Var x) {
      const Var k = rbf_gram(query_features(tasks, tasks.theta, x), z, gamma);
      return exp(learned_number(tasks, kLogScale, std::log(o.scale))) * matmul(k, coefficients);
    };
    learned.kernel = {.gram = gram, .coefficients = coefficients, .lambda = lambda};
    return learned;
  }

 private:
  /// One-hot minus 1/N, so that far from the support set no class is preferred.
  static Var centred_targets(const TaskBatch& tasks) {
    const Var y = support_targets(tasks);
    return is_float(tasks.episode.support_y.dtype()) ? y : y - 1.0 / double(tasks.model.outputs);
  }

  ClosedFormOptions o_;
};

}  // namespace

std::shared_ptr<const Adaptation> make_rbf_ridge(const ClosedFormOptions& options) {
  return std::make_shared<RbfRidge>(options);
}

const Part<Adaptation> rbf_ridge_part{
    .name = "rbf_ridge",
    .formula =
        "logits s k(z_q, Z) A, A = (K + lambda I)^-1 (Y - 1/N), "
        "k = exp(-|z - z'|^2 / (2 sigma^2))",
    .source = "I-AMFS, arXiv:2411.00404",
    .reading =
        "features, targets, query loss and what is learned are not in the text at hand; "
        "others by head.*",
    .make = [](const Config& c) { return make_rbf_ridge(closed_form_options(c)); },
    .check =
        [](const Config& c) {
          check_closed_form(c);
          check_ridge_weight(c);
          check_scale(c);
          refuse_if(c.head.sigma == 0 && !c.head.learn, "head.sigma",
                    "a width that comes from the first batch is kept as a learned parameter; give "
                    "a number > 0 or use head.learn=true");
        },
};

}  // namespace metatape
