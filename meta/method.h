#pragma once

// What a method is made of: which parameters the inner loop changes and how, how much of the second
// order is kept, and how task gradients combine. record_meta_step() puts the pieces on the tape.

#include <functional>
#include <vector>

#include "engine/model.h"
#include "meta/data/episode_source.h"

namespace metatape {

/// What a task asks for: the loss of predictions, T x [], and a score that people read.
struct Objective {
  std::function<Var(Var prediction, Var target)> loss;
  std::function<Var(Var prediction, Var target)> score;
};
/// Mean cross-entropy (nats) and accuracy in [0,1] for labels; mean squared error twice for
/// numbers.
Objective classification_objective();
Objective regression_objective();

/// Inner loop by gradient steps: MAML, FOMAML, ANIL and BOIL are settings of it.
struct Adaptation {
  enum class Adapted { all, head, body } adapted = Adapted::all;
  enum class Order { exact, first } order = Order::exact;
  std::int64_t steps = 1;
  double lr = 0.4;
  bool recompute = false;
};

/// phi_0 = theta, phi_{k+1} = phi_k - lr grad L_support(phi_k) over the adapted parameters; the
/// other ones stay. Returns phi_0 .. phi_steps. `theta` is per task or shared. Exact order: Finn et
/// al. 2017, arXiv:1703.03400, eq. 1. First order: the inner gradients are constants (sec. 5.2
/// there). Head only: Raghu et al. 2020, arXiv:1909.09157. Body only: Oh et al. 2021,
/// arXiv:2008.08882.
std::vector<ParamSet> adapt(const Model&, const ParamSet& theta, Var support_x, Var support_y,
                            const Objective&, const Adaptation&);

/// One meta-step: what each task contributes.
struct MetaStep {
  Var loss;                ///< query loss of each task after adaptation, T x []
  Var score;               ///< query score of each task, T x []
  ParamSet task_gradient;  ///< d loss / d theta of each task, T x [...]
};
MetaStep record_meta_step(const Model&, const ParamSet& theta, const EpisodeVars&, const Objective&,
                          const Adaptation&);

/// Query loss and score of each task after 0 .. steps inner steps.
struct AdaptationCurve {
  std::vector<Var> loss, score;
};
AdaptationCurve record_adaptation_curve(const Model&, const ParamSet& theta, const EpisodeVars&,
                                        const Objective&, const Adaptation&);

/// The meta-gradient: the mean of the tasks' gradients.
ParamSet combine_mean(const ParamSet& task_gradient);

}  // namespace metatape
