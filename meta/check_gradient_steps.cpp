#include "meta/check_gradient_steps.h"

#include "engine/error.h"

namespace metatape {
namespace {

template <class... Args>
void refuse_if(bool nonsense, const char* key, fmt::format_string<Args...> text, Args&&... args) {
  if (nonsense) fail(ErrorKind::usage, key, text, std::forward<Args>(args)...);
}

/// Settings of gradient steps say nothing to a solver without them.
void check_solver(const Config& c) {
  if (c.inner.solver == "gradient") return;
  const Config none;
  const std::string& solver = c.inner.solver;
  refuse_if(c.inner.rates != none.inner.rates, "inner.rates",
            "{} takes no gradient steps whose sizes could be learned; drop it", solver);
  refuse_if(c.inner.optimizer != none.inner.optimizer, "inner.optimizer",
            "{} takes no gradient steps; drop it", solver);
  refuse_if(c.inner.batch > 0, "inner.batch", "{} needs the whole support set; drop it", solver);
  refuse_if(c.inner.per_step_norm, "inner.per_step_norm", "{} takes no gradient steps; drop it",
            solver);
  refuse_if(c.inner.exact_from > 0, "inner.exact_from",
            "{} takes no gradient steps to differentiate; drop it", solver);
  refuse_if(c.outer.query_loss == "multi_step", "outer.query_loss",
            "{} takes no gradient steps whose losses could be weighed; use last", solver);
  refuse_if(c.outer.gradient == "displacement", "outer.gradient",
            "{} takes no gradient steps that could go anywhere; use differentiated", solver);
  refuse_if(c.regularize.phase > 0 || c.regularize.amplitude > 0 || c.regularize.log, "regularize",
            "{} takes no gradient steps: phase, amplitude and log have no meaning; drop them",
            solver);
}

void check_steps(const Config& c) {
  const Config::Inner& inner = c.inner;
  refuse_if(inner.exact_from > 0 && inner.order == "first", "inner.exact_from",
            "the order becomes exact at meta-step {}, but inner.order=first says never; drop one",
            inner.exact_from);
  refuse_if(inner.optimizer == "adam" && inner.order == "exact", "inner.optimizer",
            "the root in Adam has no derivative where a gradient is 0, as of inactive units; use "
            "inner.order=first");
  const bool learned = inner.rates != "fixed" || inner.per_step_norm;
  refuse_if(learned && inner.steps == 0,
            inner.per_step_norm ? "inner.per_step_norm" : "inner.rates",
            "there are no inner steps to learn it for; use inner.steps=1 or more");
  refuse_if(inner.per_step_norm && c.model.name == "mlp", "inner.per_step_norm",
            "mlp has no batch norm; drop it");
  refuse_if(inner.batch > c.task.shots, "inner.batch",
            "{} examples per class in a step, but the support set has {}; use task.shots={}",
            inner.batch, c.task.shots, inner.batch);
}

void check_outer(const Config& c) {
  refuse_if(c.outer.query_loss == "multi_step" && c.inner.steps == 0, "outer.query_loss",
            "multi_step weighs the losses after each inner step; use last or inner.steps=5");
  if (c.outer.gradient != "displacement") return;
  refuse_if(c.inner.steps == 0, "outer.gradient",
            "displacement is that of the inner steps, found none; use inner.steps=5");
  refuse_if(c.inner.rates != "fixed" || c.inner.per_step_norm, "outer.gradient",
            "displacement moves what the inner loop changes: learned rates and norms of steps "
            "would stay as they are; use differentiated");
  refuse_if(c.inner.adapt == "context", "outer.gradient",
            "the inner loop changes the context alone, which starts anew in each task: nothing "
            "would be learned; use differentiated");
  refuse_if(c.inner.exact_from > 0, "inner.exact_from",
            "displacement differentiates through no inner gradient; drop it");
  refuse_if(c.outer.query_loss != "last" || c.regularize.phase > 0 || c.regularize.amplitude > 0,
            "outer.gradient",
            "displacement minimises no query loss, so its weights and regularizers have no "
            "effect; use differentiated or drop them");
}

void check_regularizers(const Config& c) {
  const bool any = c.regularize.phase > 0 || c.regularize.amplitude > 0 || c.regularize.log;
  refuse_if(any && c.inner.steps == 0, "regularize",
            "there are no inner steps to be straight or long; use inner.steps=3");
  refuse_if(c.regularize.shot && c.regularize.phase == 0, "regularize.shot",
            "it is a variant of the phase loss; give that a coefficient (regularize.phase=0.1)");
  refuse_if(c.regularize.shot && (c.inner.rates != "fixed" || c.inner.optimizer != "sgd"),
            "regularize.shot",
            "its straight step is inner.steps * inner.lr long, which learned rates and Adam know "
            "nothing of; use regularize.shot=false");
  refuse_if(c.regularize.phase > 0 && c.inner.per_step_norm, "regularize.phase",
            "the straight step would have no batch norm of its own among those of the steps; use "
            "inner.per_step_norm=false");
}

}  // namespace

void check_gradient_steps(const Config& c) {
  check_solver(c);
  check_steps(c);
  check_outer(c);
  check_regularizers(c);
}

}  // namespace metatape
