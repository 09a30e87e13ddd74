#include <cmath>

#include "engine/ops.h"
#include "meta/adapt/closed_form.h"
#include "meta/method/part.h"

namespace metatape {
namespace {

constexpr const char* kLogLambda = "ridge.log_lambda";
constexpr const char* kScale = "ridge.scale";
constexpr const char* kOffset = "ridge.offset";

Var with_ones(Var z) {
  const Shape ones = z.shape().with_extent(z.rank() - 1, 1);
  const Var parts[] = {z, fill(*z.tape, ones, 1, z.dtype())};
  return concat(parts, z.rank() - 1);
}

class Ridge : public Adaptation {
 public:
  explicit Ridge(const ClosedFormOptions& o) : o_(o) {}

  std::vector<Parameter> parameters(const Model&) const override {
    std::vector<Parameter> all;
    if (o_.learn) all.push_back(learned_number(kLogLambda, std::log(o_.lambda)));
    all.push_back(learned_number(kScale, o_.scale));
    all.push_back(learned_number(kOffset, 0));
    return all;
  }
  bool replaces_head() const override { return true; }

  Learned learn(const TaskBatch& tasks, std::int64_t) const override {
    const Scope scope(*tasks.iteration.tape, "ridge");
    const Var z = with_ones(support_features(tasks));
    const std::int64_t n = z.extent(-2), columns = z.extent(-1);
    const double share = 1 / std::sqrt(double(n));
    const Var lambda = exp(learned_number(tasks, kLogLambda, std::log(o_.lambda)));
    const Var fitted = ridge_weights(share * z, share * support_targets(tasks), lambda,
                                     n <= columns ? RidgeForm::dual : RidgeForm::primal);
    const Var w = o_.first_order ? stop_gradient(fitted) : fitted;
    Learned learned;
    learned.predict = [tasks, w, o = o_](std::int64_t, Var x) {
      const Var z_query = with_ones(query_features(tasks, tasks.theta, x));
      return learned_number(tasks, kScale, o.scale) * matmul(z_query, w) +
             learned_number(tasks, kOffset, 0);
    };
    return learned;
  }

 private:
  ClosedFormOptions o_;
};

}  // namespace

Var ridge_weights(Var z, Var y, Var lambda, RidgeForm form) {
  if (form == RidgeForm::primal)
    return solve_positive_definite(with_ridge(matmul(z, z, {.transpose_a = true}), lambda),
                                   matmul(z, y, {.transpose_a = true}));
  const Var gram = matmul(z, z, {.transpose_b = true});
  return matmul(z, solve_positive_definite(with_ridge(gram, lambda), y), {.transpose_a = true});
}

std::shared_ptr<const Adaptation> make_ridge(const ClosedFormOptions& options) {
  return std::make_shared<Ridge>(options);
}

const Part<Adaptation> ridge_part{
    .name = "ridge",
    .formula =
        "logits a [z_q 1] W + b, W = (Z'Z/n + lambda I)^-1 Z'Y/n, or its dual form where "
        "examples are fewer than columns",
    .source = "Bertinetto, Henriques, Torr, Vedaldi 2019, arXiv:1805.08136, eq. 3 to 6",
    .reading = "log lambda is learned as in the text, not fixed as in the code (head.learn=false)",
    .make = [](const Config& c) { return make_ridge(closed_form_options(c)); },
    .check =
        [](const Config& c) {
          check_closed_form(c);
          check_ridge_weight(c);
          check_scale(c);
        },
};

}  // namespace metatape
