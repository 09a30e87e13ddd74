#pragma once

#include "meta/method/method.h"

namespace metatape {

// The terms of the AMFS objective, arXiv:2411.00404. The text of the paper was not at hand: that
// these formulas are what it means is a reading.

/// sign mu |d/df L|^2 for the squared loss L of a kernel ridge solution f, in the norm of its
/// space: (1/n^2) r'K r with the residuals r = f(X) - Y = -lambda A, so (lambda/n)^2 tr(A'KA). The
/// paper subtracts it in an objective that it minimises: sign -1. Errors: usage, if the adaptation
/// solves no kernel problem.
std::shared_ptr<const Regularizer> make_functional_gradient_term(double mu, double sign);

/// What the information term of the objective measures.
enum class Information {
  gain,      ///< log det(I + K/lambda) / (2n): of a Gaussian process, for each support example
  capacity,  ///< tr(A'KA): the squared norm of the solution in its space
  mutual,    ///< H(mean_q p_q) - mean_q H(p_q) of the class probabilities of the queries, in nats
};
/// gamma times the information.
/// Errors: usage, if it needs a kernel problem and the adaptation solves none.
std::shared_ptr<const Regularizer> make_information_term(double gamma, Information);

}  // namespace metatape
