#include "meta/outer/unlabelled_loss.h"

#include "engine/ops.h"
#include "meta/method/part.h"
#include "meta/regularize/check_steps.h"
#include "meta/regularize/trajectory.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

class UnlabelledLoss : public QueryLoss {
 public:
  explicit UnlabelledLoss(const UnlabelledLossOptions& o) : o_(o) {}

  double average_momentum() const override { return o_.momentum; }

  Var of(const TaskBatch& tasks, const Learned& learned) const override {
    const Trajectory& t = learned.trajectory;
    if (t.gradient.empty())
      fail(ErrorKind::usage, "outer.query_loss",
           "unlabelled compares inner steps with one, and the method takes none; use last");
    TaskBatch averaged = tasks;
    averaged.theta = broadcast_tasks(tasks.average, tasks.episode.query_x.tasks());
    const Var x = tasks.episode.query_x;
    const Var teacher = o_.adaptation->learn(averaged, o_.steps).predict(o_.steps, x);
    const Var student = predict_queries(tasks, straight_step(t, straight_amplitude(t)), x);
    return tasks.objective.divergence(stop_gradient(teacher), student);
  }

 private:
  UnlabelledLossOptions o_;
};

constexpr const char* kMomentum = "outer.average_momentum";

void check_unlabelled(const Config& c) {
  check_has_steps(c, "outer.query_loss");
  refuse_if(c.inner.per_step_norm, "outer.query_loss",
            "the straight step would have no batch norm of its own among those of the steps; use "
            "inner.per_step_norm=false");
  refuse_if(number_of(c, kMomentum) >= 1, kMomentum,
            "an average that takes in nothing new stays where it starts; expected a number below "
            "1, found {}",
            number_of(c, kMomentum));
}

}  // namespace

std::shared_ptr<const QueryLoss> make_unlabelled_loss(const UnlabelledLossOptions& options) {
  return std::make_shared<UnlabelledLoss>(options);
}

const Part<QueryLoss> unlabelled_part{
    .name = "unlabelled",
    .formula = "KL(f(psi_S) || f(theta - d g_0)), psi the moving average of theta; no query label",
    .source = "LIL (ICLR 2023 submission, openreview 5ZarS9RX5I-), appendix E",
    .reading = "its coefficient is 1, which Adam does not see; the released code has no average",
    .make =
        [](const Config& c) {
          return make_unlabelled_loss({.adaptation = chosen_part<Adaptation>(c).make(c),
                                       .steps = c.inner.steps,
                                       .momentum = number_of(c, kMomentum)});
        },
    .check = check_unlabelled,
    .settings = {{.key = kMomentum,
                  .meaning = "unlabelled: momentum of the teacher's parameters",
                  .start = 0.999}},
};

}  // namespace metatape
