#include "meta/algorithms.h"

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
};

}  // namespace

std::span<const Algorithm> algorithms() { return kAlgorithms; }

}  // namespace metatape
