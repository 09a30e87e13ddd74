#include "meta/regularize/phase.h"

#include "engine/ops.h"
#include "meta/method/part.h"
#include "meta/regularize/check_steps.h"
#include "meta/regularize/trajectory.h"
#include "meta/settings/refuse.h"

namespace metatape {
namespace {

class PhaseLoss : public Regularizer {
 public:
  explicit PhaseLoss(const PhaseLossOptions& o) : o_(o) {}

  Var penalty(const TaskBatch& tasks, const Learned& learned) const override {
    const Trajectory& t = learned.trajectory;
    if (t.gradient.empty())
      fail(ErrorKind::usage, "regularize.phase",
           "the method takes no gradient steps that could be straight; use 0 or inner.steps=3");
    const Scope scope(*tasks.episode.query_x.tape, "regularize");
    const Var x = tasks.episode.query_x;
    Var teacher = learned.predict(learned.steps, x);
    if (o_.teacher_detach) teacher = stop_gradient(teacher);
    const Var student = predict_queries(tasks, straight_step(t, amplitude(t)), x);
    return o_.coefficient * tasks.objective.divergence(teacher, student);
  }

 private:
  Var amplitude(const Trajectory& t) const {
    if (!o_.fixed_lr) return straight_amplitude(t);
    const Var g = t.gradient.front().entries().at(0).value;
    return fill(*g.tape, {}, *o_.fixed_lr * double(t.gradient.size()), g.dtype());
  }

  PhaseLossOptions o_;
};

void check_phase(const Config& c) {
  refuse_if(c.regularize.shot && c.regularize.phase == 0, "regularize.shot",
            "it is a variant of the phase loss; give that a coefficient (regularize.phase=0.1)");
  refuse_if(c.regularize.teacher_detach && c.regularize.phase == 0, "regularize.teacher_detach",
            "it is a variant of the phase loss; give that a coefficient (regularize.phase=0.1)");
  if (c.regularize.phase == 0) return;
  check_has_steps(c, "regularize.phase");
  refuse_if(c.inner.steps == 1, "regularize.phase",
            "one step is straight already and its loss 0; use inner.steps=2 or more");
  refuse_if(c.regularize.shot && (c.inner.rates != "fixed" || c.inner.optimizer != "sgd"),
            "regularize.shot",
            "its straight step is inner.steps * inner.lr long, which learned rates and Adam know "
            "nothing of; use regularize.shot=false");
  refuse_if(c.inner.per_step_norm, "regularize.phase",
            "the straight step would have no batch norm of its own among those of the steps; use "
            "inner.per_step_norm=false");
}

}  // namespace

std::shared_ptr<const Regularizer> make_phase_loss(const PhaseLossOptions& options) {
  return std::make_shared<PhaseLoss>(options);
}

const Part<Regularizer> phase_part{
    .name = "phase",
    .formula = "KL(f(phi_S) || f(theta - d g_0)), d = sum_k |phi_{k+1} - phi_k| / |g_0|",
    .source = "LIL (ICLR 2023 submission, openreview 5ZarS9RX5I-), eq. 7 and 8",
    .reading =
        "d is a constant, both predictions are not; regularize.teacher_detach and "
        "regularize.shot are the alternatives",
    .make = [](const Config& c) -> std::shared_ptr<const Regularizer> {
      const Config::Regularize& r = c.regularize;
      if (r.phase == 0) return nullptr;
      PhaseLossOptions options{.coefficient = r.phase,
                               .teacher_detach = r.teacher_detach || r.shot};
      if (r.shot) options.fixed_lr = c.inner.lr;
      return make_phase_loss(options);
    },
    .check = check_phase,
};

}  // namespace metatape
