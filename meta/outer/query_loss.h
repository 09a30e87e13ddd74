#pragma once

#include "meta/method/method.h"

namespace metatape {

/// L_query(phi_S): the loss after the last step.
std::shared_ptr<const QueryLoss> make_last_step_loss();

}  // namespace metatape
