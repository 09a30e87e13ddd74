#pragma once

#include "tests/support/op_case.h"

namespace metatape {

/// Checks everything that is promised of an operation, for one sample input, in f64 on the CPU:
///
///   value       against the plain reference;
///   order 1     gradients along random directions, and element by element for small operands,
///               against central differences;
///   forward     jvp against central differences; <u, J v> = <J' u, v>;
///   order 2     H v against central differences of the gradient; both forms of hvp; u'Hv = v'Hu.
///               An exactly zero second derivative must be exactly zero, and the square of the
///               result must still have the right one, so that a constant that hides inside a rule
///               shows;
///   program     the planned, merged program gives the bits of one in which every value has its own
///               place and no pass has run; two threads give those of one;
///   f32         value, gradient and H v against those of f64, on the CPU and, where there is one,
///   on
///               a GPU.
///
/// All go through a random linear form of the result, so that every element of it counts.
void check_op(const OpCase&);

}  // namespace metatape
