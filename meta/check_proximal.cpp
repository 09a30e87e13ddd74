#include "meta/check_proximal.h"

#include "engine/error.h"

namespace metatape {
namespace {

void check_solver(const Config& c) {
  if (c.outer.gradient == "differentiated")
    fail(ErrorKind::usage, "outer.gradient",
         "the steps of inner.solver=proximal are constants: there is nothing to differentiate; use "
         "outer.gradient=implicit, forward_difference or symmetric_difference");
  if (c.inner.lambda <= 0)
    fail(ErrorKind::usage, "inner.lambda",
         "without a pull to the start a solution forgets the meta-parameters; expected a number "
         "> 0, found {}",
         c.inner.lambda);
  if (c.inner.adapt != "all" || c.model.context > 0)
    fail(ErrorKind::usage, "inner.adapt",
         "the proximal problem is over all parameters, and so is the linear system of its "
         "derivative; use inner.adapt=all and model.context=0");
  if (c.inner.order == "first")
    fail(ErrorKind::usage, "inner.order",
         "the steps of inner.solver=proximal are constants already; drop it");
  if (c.inner.recompute)
    fail(ErrorKind::usage, "inner.recompute",
         "the steps of inner.solver=proximal keep nothing: there is nothing to recompute; drop it");
}

void check_differences(const Config& c) {
  if (c.outer.difference <= 0)
    fail(ErrorKind::usage, "outer.difference", "{} divides by it; expected a number > 0, found {}",
         c.outer.gradient, c.outer.difference);
  if (c.inner.hvp == "difference")
    fail(ErrorKind::usage, "inner.hvp", "{} has no Hessian-vector products; drop it",
         c.outer.gradient);
  if (c.regularize.information > 0)
    fail(ErrorKind::usage, "outer.gradient",
         "{} perturbs by the query loss alone and would leave out the regulariser; use "
         "outer.gradient=implicit",
         c.outer.gradient);
}

}  // namespace

void check_proximal(const Config& c) {
  const bool proximal = c.inner.solver == "proximal";
  const bool differences = c.outer.gradient.ends_with("_difference");
  if ((c.outer.gradient == "implicit" || differences) && !proximal)
    fail(ErrorKind::usage, "outer.gradient",
         "{} is for the solution of a proximal problem, found inner.solver={}; use "
         "inner.solver=proximal",
         c.outer.gradient, c.inner.solver);
  if (proximal) check_solver(c);
  if (differences) check_differences(c);
  const bool plain_steps = c.inner.solver == "gradient" && c.inner.adapt == "all" &&
                           c.inner.order == "exact" && !c.inner.recompute;
  if (c.inner.hvp == "difference" && !proximal && !plain_steps)
    fail(ErrorKind::usage, "inner.hvp",
         "differenced products run the reverse recursion of plain gradient steps; use "
         "inner.solver=gradient, inner.adapt=all, inner.order=exact and inner.recompute=false");
}

}  // namespace metatape
