#include "meta/regularize/kernel_terms.h"

#include "engine/ops.h"
#include "meta/adapt/closed_form.h"

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

}  // namespace

std::shared_ptr<const Regularizer> make_functional_gradient_term(double mu, double sign) {
  return std::make_shared<FunctionalGradientTerm>(sign * mu);
}

std::shared_ptr<const Regularizer> make_information_term(double gamma, Information kind) {
  return std::make_shared<InformationTerm>(gamma, kind);
}

}  // namespace metatape
