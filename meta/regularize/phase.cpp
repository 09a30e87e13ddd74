#include "meta/regularize/phase.h"

#include "engine/ops.h"
#include "meta/regularize/trajectory.h"

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

}  // namespace

std::shared_ptr<const Regularizer> make_phase_loss(const PhaseLossOptions& options) {
  return std::make_shared<PhaseLoss>(options);
}

}  // namespace metatape
