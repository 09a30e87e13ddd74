#include "meta/outer/multi_step_loss.h"

#include "engine/ops.h"
#include "meta/method/part.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

constexpr double kLeastShare = 0.03;

class MultiStepLoss : public QueryLoss {
 public:
  explicit MultiStepLoss(std::int64_t until) : until_(until) {}

  Var of(const TaskBatch& tasks, const Learned& learned) const override {
    if (learned.steps == 0)
      fail(ErrorKind::usage, "outer.query_loss",
           "multi_step weighs the losses after each inner step, and the method takes none; use "
           "last or inner.steps=5");
    const std::vector<Var> weights = multi_step_weights(tasks.iteration, learned.steps, until_);
    Var total;
    for (std::int64_t k = 1; k <= learned.steps; ++k) {
      const Var prediction = learned.predict(k, tasks.episode.query_x);
      const Var part =
          weights[std::size_t(k - 1)] * tasks.objective.loss(prediction, tasks.episode.query_y);
      total = total ? total + part : part;
    }
    return total;
  }

 private:
  std::int64_t until_;
};

}  // namespace

std::vector<Var> multi_step_weights(Var iteration, std::int64_t steps, std::int64_t until) {
  const double s = double(steps);
  const auto constant = [&](double value) {
    return fill(*iteration.tape, {}, value, iteration.dtype());
  };
  const Var u = iteration / double(until);
  const Var annealing = greater(constant(double(until)), iteration);
  const Var others = annealing * (maximum(1.0 - u, constant(kLeastShare)) / s);
  const Var last = minimum((s - 1) * u + 1.0, constant(s - kLeastShare * (s - 1))) / s;
  std::vector<Var> weights(std::size_t(steps - 1), others);
  weights.push_back(annealing * last + (1.0 - annealing));
  return weights;
}

std::shared_ptr<const QueryLoss> make_multi_step_loss(std::int64_t until) {
  return std::make_shared<MultiStepLoss>(until);
}

const Part<QueryLoss> multi_step_part{
    .name = "multi_step",
    .formula =
        "sum_k w_k(t) L_query(phi_k), weights that move to the last step by meta-step "
        "outer.multi_step_until",
    .source = "Antoniou, Edwards, Storkey 2019, arXiv:1810.09502, sec. 4",
    .reading = "the weights change with each meta-step, in the released code once an epoch",
    .make = [](const Config& c) { return make_multi_step_loss(c.outer.multi_step_until); },
    .check =
        [](const Config& c) {
          refuse_if(c.inner.solver != "gradient", "outer.query_loss",
                    "{} takes no gradient steps whose losses could be weighed; use last",
                    c.inner.solver);
          refuse_if(c.inner.steps == 0, "outer.query_loss",
                    "multi_step weighs the losses after each inner step; use last or "
                    "inner.steps=5");
        },
};

}  // namespace metatape
