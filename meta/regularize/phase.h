#pragma once

#include <optional>

#include "meta/method/method.h"

namespace metatape {

struct PhaseLossOptions {
  double coefficient = 0.1;
  bool teacher_detach = false;  ///< the predictions after all steps are constants
  /// Step size of the inner loop: the straight step is then steps * lr, as in the released code of
  /// SHOT. Unset: as long as the way, LIL eq. 8.
  std::optional<double> fixed_lr = {};
};

/// coefficient * KL(f(query | phi_S) || f(query | straight)) with straight = phi_0 - delta g_0,
/// mean over the query examples: what S steps reach, one step of the same length should reach as
/// well. LIL (ICLR 2023 submission, openreview 5ZarS9RX5I-), eq. 7 and 8. The paper leaves open
/// which parts are differentiated: here delta is a constant and both predictions are not. Errors of
/// the recording: usage, for adaptations without inner gradients.
std::shared_ptr<const Regularizer> make_phase_loss(const PhaseLossOptions&);

}  // namespace metatape
