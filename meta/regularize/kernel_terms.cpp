#include "meta/regularize/kernel_terms.h"

#include "engine/ops.h"
#include "meta/adapt/closed_form.h"
#include "meta/method/part.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

const KernelSolution& kernel_of(const Learned& learned) {
  if (!learned.kernel)
    fail(ErrorKind::usage, "regularize",
         "this term needs the solution of a kernel problem; use inner.solver=rbf_ridge");
  return *learned.kernel;
}

/// tr(A'KA).
Var squared_norm(const KernelSolution& k) {
  return dot(k.coefficients, matmul(k.gram, k.coefficients));
}

/// -sum_c p_c log p_c over the last axis, summed, from log p.
Var entropy(Var log_p) { return -sum(exp(log_p) * log_p); }

Var mutual_information(Var logits) {
  const Var log_p = log_softmax(logits);
  const int over_queries[] = {0};
  return entropy(log(mean_axes(exp(log_p), over_queries))) -
         entropy(log_p) / double(logits.extent(-2));
}

class FunctionalGradientTerm : public Regularizer {
 public:
  explicit FunctionalGradientTerm(double coefficient) : coefficient_(coefficient) {}

  Var penalty(const TaskBatch&, const Learned& learned) const override {
    const KernelSolution& k = kernel_of(learned);
    const double n = double(k.gram.extent(-1));
    return coefficient_ * square(k.lambda / n) * squared_norm(k);
  }

 private:
  double coefficient_;
};

class InformationTerm : public Regularizer {
 public:
  InformationTerm(double gamma, Information kind) : gamma_(gamma), kind_(kind) {}

  Var penalty(const TaskBatch& tasks, const Learned& learned) const override {
    switch (kind_) {
      case Information::gain: {
        const KernelSolution& k = kernel_of(learned);
        const Var one = fill(*k.gram.tape, {}, 1, k.gram.dtype());
        return (0.5 * gamma_ / double(k.gram.extent(-1))) *
               logdet(with_ridge(k.gram / k.lambda, one));
      }
      case Information::capacity:
        return gamma_ * squared_norm(kernel_of(learned));
      case Information::mutual:
        return gamma_ * mutual_information(learned.predict(learned.steps, tasks.episode.query_x));
    }
    fail(ErrorKind::internal, "regularize.information_kind", "unknown kind {}", int(kind_));
  }

 private:
  double gamma_;
  Information kind_;
};

Information information_of(const Config& c) {
  if (c.regularize.information_kind == "capacity") return Information::capacity;
  if (c.regularize.information_kind == "mutual") return Information::mutual;
  return Information::gain;
}

void check_kernel(const Config& c, const char* key) {
  refuse_if(c.inner.solver != "rbf_ridge", key,
            "the functional gradient and the information of a kernel are defined for kernel ridge "
            "regression, found inner.solver={}; use inner.solver=rbf_ridge",
            c.inner.solver);
}

void check_information(const Config& c) {
  if (c.regularize.information == 0) return;
  if (information_of(c) != Information::mutual) return check_kernel(c, "regularize.information");
  refuse_if(c.task.kind == "sinusoid", "regularize.information",
            "mutual information needs class probabilities, sinusoid tasks have none; "
            "use regularize.information_kind=gain");
}

}  // namespace

std::shared_ptr<const Regularizer> make_functional_gradient_term(double mu, double sign) {
  return std::make_shared<FunctionalGradientTerm>(sign * mu);
}

std::shared_ptr<const Regularizer> make_information_term(double gamma, Information kind) {
  return std::make_shared<InformationTerm>(gamma, kind);
}

const Part<Regularizer> gradient_norm_part{
    .name = "gradient_norm",
    .formula = "-+ (lambda/n)^2 tr(A'KA), the squared norm of the functional gradient",
    .source = "AMFS, arXiv:2411.00404",
    .reading =
        "its sign is a setting (regularize.mu_sign): the source subtracts what it calls a "
        "penalty",
    .make = [](const Config& c) -> std::shared_ptr<const Regularizer> {
      const double mu = c.regularize.gradient_norm;
      if (mu == 0) return nullptr;
      return make_functional_gradient_term(mu, c.regularize.mu_sign == "minus" ? -1.0 : 1.0);
    },
    .check =
        [](const Config& c) {
          if (c.regularize.gradient_norm > 0) check_kernel(c, "regularize.gradient_norm");
        },
};

const Part<Regularizer> information_part{
    .name = "information",
    .formula =
        "log det(I + K/lambda) / (2n); or tr(A'KA); or the mutual information of queries "
        "and classes",
    .source = "AMFS, arXiv:2411.00404",
    .reading = "the source names the term without a formula; regularize.information_kind chooses",
    .make = [](const Config& c) -> std::shared_ptr<const Regularizer> {
      const double gamma = c.regularize.information;
      return gamma > 0 ? make_information_term(gamma, information_of(c)) : nullptr;
    },
    .check = check_information,
};

}  // namespace metatape
