#pragma once

// What a method is made of. A method is a choice of parts, and each part is one file:
//
//   Adaptation     meta/adapt/       how a task is learnt from its support set
//   QueryLoss      meta/outer/       what of the adapted model the outer loop minimises
//   Regularizer    meta/regularize/  what it is told about the way there
//   MetaGradient   meta/outer/       d outer loss / d theta of each task, or what takes its place
//   Combination    meta/combine/     how the gradients of the tasks become one
//
// compose() (meta/method/compose.h) chooses them from the settings; record_meta_step() puts them on
// the tape.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/model.h"
#include "meta/data/episode_source.h"

namespace metatape {

/// What a task asks for: the loss of predictions, T x [], a score that people read, and how far the
/// distributions are apart that two predictions stand for: KL(first || second), mean over examples.
/// Numbers stand for normal distributions of deviation 1.
struct Objective {
  std::function<Var(Var prediction, Var target)> loss;
  std::function<Var(Var prediction, Var target)> score;
  std::function<Var(Var first, Var second)> divergence = {};
};
/// Mean cross-entropy (nats) and accuracy in [0,1] for labels; mean squared error twice for
/// numbers.
Objective classification_objective();
Objective regression_objective();

/// Whose statistics normalise the query examples: their own, all together, or the support set's.
enum class BatchNormProtocol { transductive, inductive };

/// A batch of tasks about to be learnt: what every part of a method sees.
struct TaskBatch {
  const Model& model;
  const Objective& objective;
  ParamSet theta;  ///< meta-parameters, a copy for each task: T x [...]
  EpisodeVars episode;
  Var iteration;  ///< meta-steps done, as a floating-point scalar
  BatchNormProtocol protocol = BatchNormProtocol::transductive;
  ParamSet average = {};  ///< moving average of theta, for the query loss that asks for it
};

/// Predictions, or features, for query examples under phi, by the protocol of the batch.
Var predict_queries(const TaskBatch&, const ParamSet& phi, Var x);
Var query_features(const TaskBatch&, const ParamSet& phi, Var x);

/// A number that tells how learning went: T x []. Its mean over tasks goes into the metrics.
struct Diagnostic {
  std::string name;
  Var value;
};

/// What a method takes for granted and the data may break: T x [], positive where it broke. The
/// run then ends with `message` and exit code 4, and the states stay as they were.
struct Assumption {
  Var broken;
  std::string message;
};

/// The inner loop's way through parameter space.
struct Trajectory {
  std::vector<ParamSet> phi;       ///< phi_0 .. phi_S
  std::vector<ParamSet> gradient;  ///< of the support loss at phi_0 .. phi_{S-1}, adapted entries
};

/// A step of a trajectory that was cut there: its phi_{k+1} and gradient_k are constants, so that a
/// meta-gradient goes back one step at a time. From these it knows what they were before the cut.
struct CutStep {
  Var support_loss;  ///< at phi_k, T x []; its derivatives by phi_k are gradient_k
  ParamSet next;     ///< phi_{k+1} as a function of phi_k and gradient_k
};

/// What a kernel method solved for its n support examples:
/// (gram + lambda I) coefficients = targets.
struct KernelSolution {
  Var gram;          ///< T x [n,n], without lambda
  Var coefficients;  ///< T x [n,outputs]
  Var lambda;        ///< T x [], in units of the kernel
};

/// What learning the support sets leaves.
struct Learned {
  /// Predictions for query examples x after k of the steps, k = 0 .. steps. Closed forms have one
  /// point, k = 0.
  std::function<Var(std::int64_t k, Var x)> predict;
  std::int64_t steps = 0;
  Trajectory trajectory;          ///< empty for closed forms
  std::vector<CutStep> cut = {};  ///< one for each step, or none
  std::vector<Diagnostic> diagnostics;
  std::vector<Assumption> assumptions;
  std::optional<KernelSolution> kernel = {};
};

class Adaptation {
 public:
  virtual ~Adaptation() = default;
  /// Meta-parameters that it adds to those of the model, in parameter_group::kMethod.
  virtual std::vector<Parameter> parameters(const Model&) const { return {}; }
  /// True if it predicts from features alone: the head of the model then has no parameters.
  virtual bool replaces_head() const { return false; }
  virtual Learned learn(const TaskBatch&, std::int64_t steps) const = 0;
};

class QueryLoss {
 public:
  virtual ~QueryLoss() = default;
  /// T x [].
  virtual Var of(const TaskBatch&, const Learned&) const = 0;
  /// Above 0: it reads TaskBatch::average, which each meta-step moves towards theta:
  /// average <- momentum average + (1 - momentum) theta.
  virtual double average_momentum() const { return 0; }
};

class Regularizer {
 public:
  virtual ~Regularizer() = default;
  /// T x [], added to the query loss with its coefficient applied.
  virtual Var penalty(const TaskBatch&, const Learned&) const = 0;
};

class MetaGradient {
 public:
  virtual ~MetaGradient() = default;
  /// For each task, in the shape of tasks.theta. May add diagnostics and assumptions.
  virtual ParamSet of(const TaskBatch&, Learned&, Var outer_loss) const = 0;
};

class Combination {
 public:
  virtual ~Combination() = default;
  /// T x [...] -> [...].
  virtual ParamSet combine(const ParamSet& task_gradient) const = 0;
};

struct Method {
  std::shared_ptr<const Adaptation> adaptation;
  std::shared_ptr<const QueryLoss> query_loss;
  std::vector<std::shared_ptr<const Regularizer>> regularizers;
  std::shared_ptr<const MetaGradient> meta_gradient;
  std::shared_ptr<const Combination> combination;
  std::int64_t steps = 1, test_steps = 1;
};

/// One meta-step: what each task contributes.
struct MetaStep {
  Var loss;                ///< query loss of each task after adaptation, T x []
  Var score;               ///< query score of each task, T x []
  Var outer_loss;          ///< what the outer loop minimises: T x []
  ParamSet task_gradient;  ///< of each task, T x [...]
  std::vector<Diagnostic> diagnostics;
  std::vector<Assumption> assumptions;
};

/// `tasks.theta` is shared or per task on entry; each task gets its own copy, so that the reverse
/// sweep yields each task's gradient. The copies cost nothing: readers take the shared value.
MetaStep record_meta_step(const Method&, TaskBatch tasks);

/// Query loss and score of each task after 0 .. test_steps inner steps.
struct AdaptationCurve {
  std::vector<Var> loss, score;
};
AdaptationCurve record_adaptation_curve(const Method&, TaskBatch tasks);

}  // namespace metatape
