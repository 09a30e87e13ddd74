#include "meta/settings/config_schema.h"

#include "meta/method/part.h"

namespace metatape {
namespace {

constexpr std::int64_t kOpen = std::numeric_limits<std::int64_t>::max();
#define MT_AT(member) \
  [](Config & c) -> auto& { return c.member; }

std::vector<Field> own_fields() {
  return {
      choice("task.kind", "what a task is", {"images", "glyphs", "sinusoid"}, MT_AT(task.kind)),
      integer("task.ways", "classes of a task (N)", 1, 10000, MT_AT(task.ways)),
      integer("task.shots", "support examples per class (K); points of a sinusoid", 1, 10000,
              MT_AT(task.shots)),
      integer("task.queries", "query examples per class in training", 1, 10000,
              MT_AT(task.queries)),
      choice("data.split", "split scheme of the data set; empty: its first", {}, MT_AT(data.split)),
      choice(
          "data.rotations",
          "rotation by multiples of 90 degrees: a random one per class and task, or four classes "
          "of each",
          {"none", "per_task", "as_classes"}, MT_AT(data.rotations)),
      boolean("data.resident",
              "on a GPU, hold the data set in its memory and draw episodes there; on the CPU they "
              "are drawn from the mapped file either way",
              MT_AT(data.resident)),
      integer("data.height", "image height that plan assumes without a data set", 1, 16384,
              MT_AT(data.height)),
      integer("data.width", "image width that plan assumes without a data set", 1, 16384,
              MT_AT(data.width)),
      integer("data.channels", "image channels that plan assumes without a data set", 1, 3,
              MT_AT(data.channels)),
      choice("model.name", "network", {"conv4", "resnet12", "mlp"}, MT_AT(model.name)),
      integer("model.width",
              "conv4: filters per convolution; resnet12: channels of its first block; mlp: units "
              "per hidden layer",
              1, 65536, MT_AT(model.width)),
      choice("model.widths",
             "resnet12: channels of its blocks at model.width=64; others in proportion",
             {"64-128-256-512", "64-160-320-640"}, MT_AT(model.widths)),
      choice("model.pool", "conv4: stride-2 convolutions and a final mean, or 2x2 max-pooling",
             {"stride", "max"}, MT_AT(model.pool)),
      number("model.batch_norm_epsilon", "added to the variance", 0,
             MT_AT(model.batch_norm_epsilon)),
      number("model.init_deviation",
             "mlp: deviation of truncated normal weights; 0: Glorot uniform", 0,
             MT_AT(model.init_deviation)),
      number("model.head_deviation",
             "conv4, resnet12: deviation of normal head weights; 0: Glorot uniform", 0,
             MT_AT(model.head_deviation)),
      integer("model.context",
              "context parameters: channel scales and shifts of conv4, further inputs of mlp; 0: "
              "none",
              0, 65536, MT_AT(model.context)),
      integer("inner.steps", "inner steps in training", 0, 10000, MT_AT(inner.steps)),
      integer("inner.test_steps", "inner steps in evaluation", 0, 10000, MT_AT(inner.test_steps)),
      number("inner.lr", "inner step size, for mean losses", 0, MT_AT(inner.lr)),
      choice("inner.adapt", "parameters that the inner loop changes",
             {"all", "head", "body", "context"}, MT_AT(inner.adapt)),
      choice("inner.order", "exact: differentiate through the inner gradients; first: not",
             {"exact", "first"}, MT_AT(inner.order)),
      boolean("inner.recompute",
              "compute each inner step again in the reverse sweep: memory grows by parameters only",
              MT_AT(inner.recompute)),
      number("inner.lambda", "proximal: weight of half the squared distance to the start", 0,
             MT_AT(inner.lambda)),
      number("inner.damping", "implicit gradient: added to the identity of its system", 0,
             MT_AT(inner.damping)),
      integer("inner.cg_steps", "implicit gradient: steps of conjugate gradients", 1, 10000,
              MT_AT(inner.cg_steps)),
      choice("inner.indefinite",
             "implicit gradient, where its system is not positive definite: the run fails, or "
             "conjugate gradients of the task stop there",
             {"fail", "truncate"}, MT_AT(inner.indefinite)),
      choice("inner.hvp",
             "Hessian-vector products. reverse: <gradient, v> differentiated again, forward: the "
             "gradient differentiated along v, equal to rounding; exact: reverse, or what "
             "train.max_memory makes the cheaper one; difference: central differences of gradients",
             {"exact", "reverse", "forward", "difference"}, MT_AT(inner.hvp)),
      choice("inner.rates",
             "fixed: inner.lr; per_element: learned for each element; per_layer_step: learned for "
             "each array and step. Learned ones start at inner.lr",
             {"fixed", "per_element", "per_layer_step"}, MT_AT(inner.rates)),
      choice("inner.optimizer", "adam: without momentum, starting anew in each task",
             {"sgd", "adam"}, MT_AT(inner.optimizer)),
      integer("inner.exact_from",
              "meta-step before which exact order is first order: a program for each of the two", 0,
              kOpen, MT_AT(inner.exact_from)),
      integer("inner.batch", "support examples per class in an inner step, in turn; 0: all of them",
              0, 10000, MT_AT(inner.batch)),
      boolean("inner.per_step_norm", "learn scale and shift of batch norm for each inner step",
              MT_AT(inner.per_step_norm)),
      choice(
          "inner.solver",
          "how a task is learnt: by gradient steps, by steps that are held near the start, or by "
          "a head of its own on the features in closed form",
          part_names<Adaptation>(), MT_AT(inner.solver)),
      number("head.lambda", "ridge, rbf_ridge: regularisation, or where its learning starts", 0,
             MT_AT(head.lambda)),
      number("head.sigma",
             "rbf_ridge: width of the kernel in units of the features, or where its learning "
             "starts; 0: sigma^2 is half the median squared distance in the first batch",
             0, MT_AT(head.sigma)),
      number("head.scale", "ridge, rbf_ridge, svm: factor of the logits where its learning starts",
             0, MT_AT(head.scale)),
      boolean("head.learn", "ridge, rbf_ridge: learn lambda and sigma too, not the scale alone",
              MT_AT(head.learn)),
      boolean("head.first_order",
              "closed forms: what was fitted to the support set is a constant for derivatives",
              MT_AT(head.first_order)),
      number("head.margin", "svm: C, the upper bound of the dual variables", 0, MT_AT(head.margin)),
      integer("head.qp_steps", "svm: iterations that look for the active bounds", 1, 100000,
              MT_AT(head.qp_steps)),
      number("regularize.phase",
             "coefficient of the phase loss: one straight step should predict as all steps do; "
             "0: none",
             0, MT_AT(regularize.phase)),
      number("regularize.amplitude",
             "coefficient of the pseudo-amplitude loss, the length of the way; 0: none", 0,
             MT_AT(regularize.amplitude)),
      boolean("regularize.teacher_detach",
              "phase loss: the predictions after all steps are constants",
              MT_AT(regularize.teacher_detach)),
      boolean("regularize.shot",
              "phase loss as SHOT released it: the straight step is inner.steps * inner.lr long, "
              "the teacher detached",
              MT_AT(regularize.shot)),
      boolean("regularize.log",
              "phase and amplitude consistency of the inner loop on each line of metrics",
              MT_AT(regularize.log)),
      number("regularize.gradient_norm",
             "rbf_ridge: coefficient mu of the functional gradient's squared norm; 0: none", 0,
             MT_AT(regularize.gradient_norm)),
      choice("regularize.mu_sign",
             "sign of that term in the minimised loss; the source prints minus, which rewards it",
             {"minus", "plus"}, MT_AT(regularize.mu_sign)),
      number("regularize.information", "coefficient gamma of the information term; 0: none", 0,
             MT_AT(regularize.information)),
      choice("regularize.information_kind",
             "information gain of the kernel per example, tr(A'KA), or mutual information of "
             "queries and classes",
             {"gain", "capacity", "mutual"}, MT_AT(regularize.information_kind)),
      choice("outer.optimizer", "optimiser of the meta-parameters",
             {"adam", "sgd", "normalized_sgd"}, MT_AT(outer.optimizer)),
      number("outer.lr", "outer step size", 0, MT_AT(outer.lr)),
      number("outer.momentum", "sgd, normalized_sgd: momentum", 0, MT_AT(outer.momentum)),
      choice(
          "outer.query_loss",
          "last: after the last inner step; multi_step: a weighted sum over all steps; unlabelled: "
          "agreement of one long step with all steps of an averaged model",
          part_names<QueryLoss>(), MT_AT(outer.query_loss)),
      integer("outer.unlabelled_until",
              "pre-training: meta-step before which outer.query_loss is unlabelled and no "
              "regularizer is active",
              0, kOpen, MT_AT(outer.unlabelled_until)),
      integer("outer.multi_step_until",
              "multi_step: meta-step from which only the last step counts", 1, kOpen,
              MT_AT(outer.multi_step_until)),
      choice("outer.schedule", "how outer.lr goes to outer.final_lr over train.iterations",
             {"constant", "linear", "cosine"}, MT_AT(outer.schedule)),
      number("outer.final_lr", "linear, cosine: outer step size at the end", 0,
             MT_AT(outer.final_lr)),
      integer("outer.tasks", "tasks per meta-step", 1, 65536, MT_AT(outer.tasks)),
      integer("outer.chunk",
              "tasks that run at once, a divisor of outer.tasks: less memory, the same result to "
              "rounding; 0: all of them, or the share of each process",
              0, 65536, MT_AT(outer.chunk)),
      choice("outer.combine", "how task gradients become one; similarity: by their cosines",
             part_names<Combination>(), MT_AT(outer.combine)),
      choice("outer.gradient",
             "meta-gradient of a task: through the inner steps; or of the proximal solution, from "
             "its optimality condition or by differences of perturbed solutions; or displacement, "
             "theta minus what the inner loop reaches",
             part_names<MetaGradient>(), MT_AT(outer.gradient)),
      number("outer.difference", "weight of the query loss in the perturbed problems", 0,
             MT_AT(outer.difference)),
      number("outer.clip", "largest magnitude of an element of the meta-gradient; 0: any", 0,
             MT_AT(outer.clip)),
      number("outer.clip_norm", "largest Euclidean norm of the meta-gradient; 0: any", 0,
             MT_AT(outer.clip_norm)),
      integer("train.iterations", "meta-steps", 0, std::int64_t(1) << 31, MT_AT(train.iterations)),
      choice("train.precision", "arithmetic; tf32 on a GPU, fp64 on the CPU",
             {"fp32", "tf32", "fp64"}, MT_AT(train.precision)),
      boolean("train.winograd",
              "on the CPU, 3x3 convolutions in fp32 by Winograd's algorithm where that is faster: "
              "two to three times the rounding error of direct sums",
              MT_AT(train.winograd)),
      integer("train.max_memory", "MiB that values may take; 0: what the machine has", 0, kOpen,
              MT_AT(train.max_memory)),
      integer("train.log_every", "meta-steps per line of metrics", 1, kOpen,
              MT_AT(train.log_every)),
      integer("train.checkpoint_every", "meta-steps between checkpoints", 1, kOpen,
              MT_AT(train.checkpoint_every)),
      integer("train.validate_every", "meta-steps between evaluations on 'validation'; 0: never", 0,
              kOpen, MT_AT(train.validate_every)),
      integer("eval.tasks", "tasks of an evaluation", 1, 10000000, MT_AT(eval.tasks)),
      choice("eval.protocol",
             "transductive: batch norm sees all queries of a task at once, as in training; "
             "inductive: it uses the statistics of the support set",
             {"transductive", "inductive"}, MT_AT(eval.protocol)),
      integer("eval.shots", "support examples per class in evaluation; 0: as in training", 0, 10000,
              MT_AT(eval.shots)),
      integer("eval.queries", "query examples per class in evaluation; 0: as in training", 0, 10000,
              MT_AT(eval.queries)),
      integer("seed", "seed of parameters and episodes", 0, kOpen, MT_AT(seed)),
  };
}
#undef MT_AT

/// A setting that a part declares for itself.
Field field_of(const PartSetting& s) {
  const std::string key = s.key;
  Field f = number(s.key, s.meaning, s.least, [key, s](Config& c) -> double& {
    return c.of_parts.try_emplace(key, s.start).first->second;
  });
  f.get = [key](const Config& c) { return nlohmann::json(number_of(c, key)); };
  return f;
}

}  // namespace

const std::vector<Field>& config_schema() {
  static const std::vector<Field> fields = [] {
    std::vector<Field> all = own_fields();
    for (const PartSetting& s : settings_of_parts()) all.push_back(field_of(s));
    return all;
  }();
  return fields;
}

}  // namespace metatape
