#pragma once

#include "meta/method/method.h"

namespace metatape {

struct UnlabelledLossOptions {
  std::shared_ptr<const Adaptation> adaptation;  ///< of the teacher: that of the method
  std::int64_t steps = 3;
  double momentum = 0.999;  ///< of the teacher's parameters, in [0,1)
};

/// KL(f(query | psi_S) || f(query | straight)), mean over the query examples, where psi_S is what S
/// inner steps reach from the moving average psi <- momentum psi + (1 - momentum) theta, and
/// straight = theta - delta g_0 the one step from theta that is as long as its own way. No query
/// label is read. LIL (ICLR 2023 submission, openreview 5ZarS9RX5I-), appendix E, where it comes
/// before training with FOMAML. The average is that before the outer step. Errors of the recording:
/// usage, for adaptations without inner steps.
std::shared_ptr<const QueryLoss> make_unlabelled_loss(const UnlabelledLossOptions&);

}  // namespace metatape
