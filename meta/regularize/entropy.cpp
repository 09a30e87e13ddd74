#include "engine/ops.h"
#include "meta/method/part.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

/// -sum_c p_c log p_c in nats, mean over examples: T x [].
Var entropy(Var logits) {
  const Var log_p = log_softmax(logits);
  return -sum(exp(log_p) * log_p) / double(logits.extent(0));
}

/// Before adaptation all classes should be as likely, after it one.
class EntropyReduction : public Regularizer {
 public:
  explicit EntropyReduction(double coefficient) : coefficient_(coefficient) {}

  Var penalty(const TaskBatch& tasks, const Learned& learned) const override {
    const Var x = tasks.episode.query_x;
    const Var before = entropy(learned.predict(0, x));
    const Var after = entropy(learned.predict(learned.steps, x));
    return coefficient_ * (after - before);
  }

 private:
  double coefficient_;
};

constexpr const char* kCoefficient = "regularize.entropy";

}  // namespace

const Part<Regularizer> entropy_part{
    .name = "entropy",
    .formula = "H(f(phi_S)) - H(f(theta)), the entropy of query predictions",
    .source = "Jamal, Qi 2019, arXiv:1805.07722, sec. 3 (TAML)",
    .make = [](const Config& c) -> std::shared_ptr<const Regularizer> {
      const double coefficient = number_of(c, kCoefficient);
      if (coefficient == 0) return nullptr;
      return std::make_shared<EntropyReduction>(coefficient);
    },
    .check =
        [](const Config& c) {
          refuse_if(number_of(c, kCoefficient) > 0 && c.task.kind == "sinusoid", kCoefficient,
                    "entropy needs classes, sinusoid tasks have none; drop it");
        },
    .settings = {{.key = kCoefficient,
                  .meaning = "coefficient of the entropy that adaptation should take away; 0: none",
                  .start = 0}},
};

}  // namespace metatape
