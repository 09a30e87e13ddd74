#pragma once

// Adaptations that solve for a head of their own in closed form, from the features of the support
// set: ridge regression, kernel ridge regression, a support vector machine, class means. They have
// no inner steps: the adaptation curve has one point, and memory does not depend on inner.steps.
// The head parameters of the network are not used: with_method_parameters() leaves them out.

#include "meta/method/method.h"
#include "meta/settings/config.h"

namespace metatape {

struct ClosedFormOptions {
  double lambda = 1;           ///< > 0, where learning starts; ridge, rbf_ridge
  double sigma = 1;            ///< > 0, in units of the features, where learning starts; rbf_ridge
  double scale = 1;            ///< > 0, of the logits, where learning starts
  bool learn = true;           ///< lambda and sigma are learned; scale and offset always are
  bool first_order = false;    ///< what is fitted to the support set is a constant
  double margin = 0.1;         ///< C > 0, the bound of the dual variables; svm
  std::int64_t qp_steps = 60;  ///< iterations that look for the active set; svm
};

/// R2-D2. Z the features of the n support examples with a column of ones, Y their targets:
/// W = (Z'Z/n + lambda I)^-1 Z'Y/n, predictions a [z_q 1] W + b. The offset is regularised too.
/// Learned: log lambda, a, b. Bertinetto, Henriques, Torr, Vedaldi 2019, arXiv:1805.08136, eq. 3
/// to 6; the division by sqrt(n) and the learned lambda as in their code and text.
std::shared_ptr<const Adaptation> make_ridge(const ClosedFormOptions&);

/// I-AMFS, arXiv:2411.00404: A = (K + lambda I)^-1 Y with K_ij = exp(-|z_i - z_j|^2 / (2 sigma^2)),
/// predictions s k(z_q, Z) A. The text of the paper was not at hand. The following is a reading:
/// the kernel works on the features of the network; Y is one-hot minus 1/N; the query loss is the
/// cross-entropy of the scaled predictions; log sigma, log lambda and log s are learned; the
/// first-order form keeps A constant, so that derivatives go through k(z_q, Z) alone.
/// The kernel's width starts at options.sigma, as the parameter of this name.
inline constexpr const char* kLogKernelWidth = "rbf_ridge.log_sigma";
std::shared_ptr<const Adaptation> make_rbf_ridge(const ClosedFormOptions&);

/// MetaOptNet: the multi-class support vector machine of Crammer & Singer on K = Z Z',
/// min_A tr(A'(K + I)A)/2 - <Y, A>  subject to  A <= C Y and row sums 0; logits s K_q A. Learned:
/// s. Lee, Maji, Ravichandran, Soatto 2019, arXiv:1904.03758, eq. 5 and 6; K + I as in their code.
std::shared_ptr<const Adaptation> make_svm(const ClosedFormOptions&);

/// ProtoNets: logits -|z_q - c_m|^2 with c_m the mean feature of class m. Nothing is learned beside
/// the network. Snell, Swersky, Zemel 2017, arXiv:1703.05175, eq. 1 and 2.
std::shared_ptr<const Adaptation> make_prototypes(const ClosedFormOptions&);

enum class RidgeForm { primal, dual };
/// argmin_W |z W - y|^2 + lambda |W|^2: z [n,d], y [n,m], lambda [] -> [d,m].
/// primal: (z'z + lambda I)^-1 z'y, a system of d; dual: z'(z z' + lambda I)^-1 y, a system of n
/// (Woodbury).
Var ridge_weights(Var z, Var y, Var lambda, RidgeForm);

/// The dual problem of make_svm for gram [n,n] = K + I and targets y [n,m], one-hot.
struct SvmDual {
  Var coefficients;  ///< [n,m]; its derivative is that of the optimality conditions
  Var distance;      ///< [], from the last iterate to the solution on its active set
};
SvmDual solve_svm_dual(Var gram, Var y, double margin, std::int64_t steps);

// ---- what they share ---------------------------------------------------------------------------

/// Of the support set: T x [n,feature_count], normalised with its own statistics.
Var support_features(const TaskBatch&);
/// One-hot rows for labels, the numbers themselves for regression: T x [n,outputs].
Var support_targets(const TaskBatch&);
/// gram + lambda I: [n,n] and [].
Var with_ridge(Var gram, Var lambda);

/// A learned number, T x []: the entry `name` of theta where it is learned, else `value`.
Var learned_number(const TaskBatch&, const char* name, double value);
Parameter learned_number(const char* name, double start);

ClosedFormOptions closed_form_options(const Config&);

// What the settings must allow. Errors: usage.
void check_closed_form(const Config&);   ///< no inner steps, nothing adapted
void check_classes(const Config&);       ///< classes to separate
void check_scale(const Config&);         ///< head.scale > 0
void check_ridge_weight(const Config&);  ///< head.lambda > 0

}  // namespace metatape
