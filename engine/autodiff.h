#pragma once

// Derivatives as program transformations: each function appends instructions to the tape of its
// arguments, so its result can be differentiated again, to any order.

#include <span>
#include <vector>

#include "engine/tape.h"

namespace metatape {

/// Reverse mode. Appends the adjoint instructions of `loss` and returns d(sum of loss)/d(wrt[k])
/// for each k, in the shape of wrt[k]. A loss of several tasks or elements is summed, so per-task
/// parameters get their own task's gradient. A value that `loss` does not depend on gets zeros.
/// Errors: usage, if loss or a wrt is not floating-point.
std::vector<Var> grad(Var loss, std::span<const Var> wrt, Loc where = Loc::current());

/// Vector-Jacobian products: sum_o <cotangents[o], d outputs[o] / d wrt[k]>.
std::vector<Var> vjp(std::span<const Var> outputs, std::span<const Var> cotangents,
                     std::span<const Var> wrt, Loc where = Loc::current());

/// Forward mode, by transposition: d outputs / d wrt along `tangents`. The vjp is linear in its
/// cotangent u, so its own vjp with respect to u is the jvp; u itself drops out as dead code.
/// Radul et al. 2022, "You Only Linearize Once", arXiv:2204.10923, run the other way.
std::vector<Var> jvp(std::span<const Var> outputs, std::span<const Var> wrt,
                     std::span<const Var> tangents, Loc where = Loc::current());

enum class HvpForm {
  reverse_over_reverse,  ///< grad(<grad(loss, w), v>, w)
  forward_over_reverse,  ///< jvp of grad(loss, w) along v. Pearlmutter 1994, Neural Comp. 6(1)
};

/// Exact Hessian-vector product of the summed loss. Both forms agree to rounding; they differ in
/// what has to be kept in memory.
std::vector<Var> hvp(Var loss, std::span<const Var> wrt, std::span<const Var> v,
                     HvpForm form = HvpForm::reverse_over_reverse, Loc where = Loc::current());

}  // namespace metatape
