#include "meta/method/algorithms.h"

namespace metatape {
namespace {

constexpr Algorithm kAlgorithms[] = {
    {"maml", "inner.adapt=all inner.order=exact",
     "theta <- Adam(mean_i grad_theta L_query(phi_T)), phi_{k+1} = phi_k - lr grad "
     "L_support(phi_k)",
     "Finn, Abbeel, Levine 2017, arXiv:1703.03400, eq. 1 and algorithm 2"},
    {"fomaml", "inner.adapt=all inner.order=first",
     "as maml, with grad L_support(phi_k) constant: the meta-gradient is mean_i grad "
     "L_query(phi_T)",
     "Finn, Abbeel, Levine 2017, arXiv:1703.03400, sec. 5.2; Nichol et al. 2018, arXiv:1803.02999"},
    {"anil", "inner.adapt=head inner.order=exact",
     "as maml, with phi_{k+1} = phi_k in all but the last linear layer",
     "Raghu, Raghu, Bengio, Vinyals 2020, arXiv:1909.09157, sec. 4"},
    {"boil", "inner.adapt=body inner.order=exact",
     "as maml, with phi_{k+1} = phi_k in the last linear layer",
     "Oh, Yoo, Kim, Yun 2021, arXiv:2008.08882, sec. 3"},
    {"protonets", "inner.solver=prototypes",
     "logits -|z_q - c_m|^2, c_m the mean feature of class m in the support set",
     "Snell, Swersky, Zemel 2017, arXiv:1703.05175, eq. 1 and 2"},
    {"r2d2", "inner.solver=ridge",
     "logits a [z_q 1] W + b, W = (Z'Z/n + lambda I)^-1 Z'Y/n with a column of ones in Z; the dual "
     "form where examples are fewer than columns; log lambda, a, b learned",
     "Bertinetto, Henriques, Torr, Vedaldi 2019, arXiv:1805.08136, eq. 3 to 6"},
    {"metaoptnet", "inner.solver=svm",
     "logits s z_q Z'A, A = argmin tr(A'(ZZ' + I)A)/2 - <Y, A> with A <= C Y and row sums 0, "
     "differentiated through its optimality conditions",
     "Lee, Maji, Ravichandran, Soatto 2019, arXiv:1904.03758, eq. 5 and 6"},
    {"i-amfs", "inner.solver=rbf_ridge regularize.information=0.001",
     "logits s k(z_q, Z) A, A = (K + lambda I)^-1 (Y - 1/N), k = exp(-|z - z'|^2 / (2 sigma^2)); "
     "log sigma, log lambda, log s learned; plus gamma log det(I + K/lambda) / (2n)",
     "arXiv:2411.00404",
     "features, targets, loss and information term are not in the text at hand; others by head.* "
     "and regularize.*"},
    {"imaml", "inner.solver=proximal outer.gradient=implicit",
     "(I + H/lambda) x = grad L_query(phi*) by conjugate gradients, phi* = argmin L_support(phi) + "
     "lambda/2 |phi - theta|^2, H = hess L_support(phi*)",
     "Rajeswaran, Finn, Kakade, Levine 2019, arXiv:1909.04630, eq. 6",
     "the system of the paper; inner.damping adds to its identity as the released code does"},
    {"fo-b-maml", "inner.solver=proximal outer.gradient=symmetric_difference",
     "lambda (phi_{-nu} - phi_nu) / (2 nu), phi_nu = argmin L_support + nu L_query + lambda/2 "
     "|phi - theta|^2; forward_difference: lambda (phi_0 - phi_nu) / nu",
     "Chayti, Jaggi 2024, arXiv:2409.03682",
     "of its body we have the abstract; this has the rates stated there. Outer rules: "
     "outer.optimizer=normalized_sgd, outer.clip_norm"},
    {"o-amfs", "outer.combine=similarity",
     "mean_i (1 + (1/m) sum_{j != i} cos(g_i, g_j)) g_i over the m tasks' meta-gradients g_i",
     "arXiv:2411.00404",
     "the printed equation adds a scalar to a vector. Weighted losses and g_i + (1/m) "
     "sum_{j != i} cos(g_i, g_j) g_j have the same mean"},
    {"metasgd", "inner.rates=per_element",
     "phi_1 = theta - A . grad L_support(theta) with A learned, one rate for each element",
     "Li, Zhou, Chen, Li 2017, arXiv:1707.09835, eq. 1"},
    {"mamlpp",
     "inner.rates=per_layer_step inner.per_step_norm=true outer.query_loss=multi_step "
     "outer.schedule=cosine",
     "phi_{k+1} = phi_k - a_{k,l} grad L_support(phi_k), the outer loss sum_k w_k(t) "
     "L_query(phi_k)",
     "Antoniou, Edwards, Storkey 2019, arXiv:1810.09502, sec. 4",
     "w changes with each meta-step, in the released code once an epoch; one model, no ensemble; "
     "inner.exact_from anneals the order, which the released settings leave off"},
    {"reptile",
     "outer.gradient=displacement outer.optimizer=sgd outer.lr=1 outer.schedule=linear "
     "inner.order=first inner.optimizer=adam",
     "theta <- theta + e mean_i (phi_S - theta), e from 1 to 0",
     "Nichol, Achiam, Schulman 2018, arXiv:1803.02999, algorithm 2",
     "batches (inner.batch) are balanced over classes, the inner Adam starts anew in each task"},
    {"cavia", "inner.adapt=context model.context=100",
     "as maml, with phi_{k+1} = phi_k in all but context parameters, which start at 0",
     "Zintgraf et al. 2019, arXiv:1810.03642, eq. 3"},
    {"lil", "regularize.phase=0.1 regularize.amplitude=0.01 inner.steps=3",
     "outer loss + a KL(f(phi_S) || f(theta - d g_0)) + b sum_k |phi_{k+1} - phi_k|, d = sum_k "
     "|phi_{k+1} - phi_k| / |g_0|",
     "LIL (ICLR 2023 submission, openreview 5ZarS9RX5I-), eq. 7 to 9",
     "d is a constant, both predictions are not; regularize.teacher_detach makes the first one"},
    {"fomaml-lil", "inner.order=first inner.steps=3 outer.unlabelled_until=15000",
     "before meta-step outer.unlabelled_until KL(f(psi_S) || f(theta - d g_0)) without labels, psi "
     "the moving average of theta; then as fomaml",
     "LIL (ICLR 2023 submission, openreview 5ZarS9RX5I-), appendix E",
     "as lil; the released code of SHOT has no average"},
    {"shot", "regularize.phase=0.1 regularize.shot=true inner.steps=3",
     "outer loss + a KL(f(phi_S) || f(theta - S lr g_0)), f(phi_S) constant",
     "released code of SHOT, the published successor of LIL"},
};

}  // namespace

std::span<const Algorithm> algorithms() { return kAlgorithms; }

}  // namespace metatape
