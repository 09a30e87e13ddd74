#include "meta/check_closed_form.h"

#include "engine/error.h"

namespace metatape {

void check_closed_form(const Config& c) {
  const std::string& solver = c.inner.solver;
  const bool closed =
      solver == "ridge" || solver == "rbf_ridge" || solver == "svm" || solver == "prototypes";
  const bool kernel_term =
      c.regularize.gradient_norm > 0 ||
      (c.regularize.information > 0 && c.regularize.information_kind != "mutual");
  if (kernel_term && solver != "rbf_ridge")
    fail(ErrorKind::usage, "regularize",
         "the functional gradient and the information of a kernel are defined for kernel ridge "
         "regression, found inner.solver={}; use inner.solver=rbf_ridge",
         solver);
  if (c.regularize.information > 0 && c.regularize.information_kind == "mutual" &&
      c.task.kind == "sinusoid")
    fail(ErrorKind::usage, "regularize.information",
         "mutual information needs class probabilities, sinusoid tasks have none; "
         "use regularize.information_kind=gain");
  if (!closed) return;
  if ((solver == "ridge" || solver == "rbf_ridge") && c.head.lambda <= 0)
    fail(ErrorKind::usage, "head.lambda",
         "found {}: it makes the system of {} positive definite and its logarithm is learned; "
         "expected a number > 0",
         c.head.lambda, solver);
  if (solver == "rbf_ridge" && c.head.sigma == 0 && !c.head.learn)
    fail(
        ErrorKind::usage, "head.sigma",
        "a width that comes from the first batch is kept as a learned parameter; give a number > 0 "
        "or use head.learn=true");
  if (solver != "prototypes" && c.head.scale <= 0)
    fail(ErrorKind::usage, "head.scale",
         "found {}: logits of no size have no derivative; expected a number > 0", c.head.scale);
  if (solver == "svm" && c.head.margin <= 0)
    fail(ErrorKind::usage, "head.margin",
         "found {}: it bounds the dual variables, which all vanish then; expected a number > 0",
         c.head.margin);
  if ((solver == "svm" || solver == "prototypes") && c.task.kind == "sinusoid")
    fail(ErrorKind::usage, "inner.solver",
         "{} needs classes, sinusoid tasks have none; use ridge or rbf_ridge", solver);
  if (c.inner.adapt != "all")
    fail(ErrorKind::usage, "inner.adapt",
         "{} solves for a head of its own and adapts no parameters, found {}; drop it", solver,
         c.inner.adapt);
  if (c.inner.order != "exact")
    fail(ErrorKind::usage, "inner.order",
         "{} has no inner gradients, found {}; use head.first_order=true", solver, c.inner.order);
  if (c.inner.recompute)
    fail(ErrorKind::usage, "inner.recompute",
         "{} has no inner steps: there is nothing to recompute; drop it", solver);
}

}  // namespace metatape
