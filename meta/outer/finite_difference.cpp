#include "meta/outer/finite_difference.h"

#include "engine/ops.h"
#include "meta/method/part.h"
#include "meta/outer/hessian_vector.h"
#include "meta/settings/refuse.h"

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

constexpr const char* kReading =
    "of the paper's body we have the abstract; this has the rates stated there. Its outer steps: "
    "outer.optimizer=normalized_sgd, outer.clip_norm";

FiniteDifferenceOptions options_of(const Config& c, bool symmetric) {
  return {.proximal = proximal_options(c), .nu = c.outer.difference, .symmetric = symmetric};
}

void check_finite_difference(const Config& c) {
  check_solves_proximal_problem(c);
  refuse_if(c.outer.difference <= 0, "outer.difference",
            "{} divides by it; expected a number > 0, found {}", c.outer.gradient,
            c.outer.difference);
  refuse_hessian_products(c, c.outer.gradient.c_str());
  refuse_if(!active_regularizers(c).empty(), "outer.gradient",
            "{} perturbs by the query loss alone and would leave out the regularizer; use "
            "outer.gradient=implicit",
            c.outer.gradient);
}

}  // namespace

std::shared_ptr<const MetaGradient> make_finite_difference(const FiniteDifferenceOptions& options) {
  return std::make_shared<FiniteDifference>(options);
}

const Part<MetaGradient> forward_difference_part{
    .name = "forward_difference",
    .formula =
        "lambda (phi_0 - phi_nu) / nu, "
        "phi_nu = argmin L_support + nu L_query + lambda/2 |phi - theta|^2",
    .source = "Chayti, Jaggi 2024, arXiv:2409.03682",
    .reading = kReading,
    .make = [](const Config& c) { return make_finite_difference(options_of(c, false)); },
    .check = check_finite_difference,
};

const Part<MetaGradient> symmetric_difference_part{
    .name = "symmetric_difference",
    .formula = "lambda (phi_{-nu} - phi_nu) / (2 nu), phi_nu as in forward_difference",
    .source = "Chayti, Jaggi 2024, arXiv:2409.03682",
    .reading = kReading,
    .make = [](const Config& c) { return make_finite_difference(options_of(c, true)); },
    .check = check_finite_difference,
};

}  // namespace metatape
