#pragma once

#include "meta/method/method.h"

namespace metatape {

/// coefficient * sum_k |phi_{k+1} - phi_k|: the pseudo-amplitude loss of LIL (ICLR 2023 submission,
/// openreview 5ZarS9RX5I-), eq. 9. Errors of the recording: usage, for adaptations without inner
/// gradients.
std::shared_ptr<const Regularizer> make_amplitude_loss(double coefficient);

}  // namespace metatape
