#pragma once

#include "meta/config.h"

namespace metatape {

/// The part of check_config() about inner gradient steps, what is made of them, and their
/// regularizers.
void check_gradient_steps(const Config&);

}  // namespace metatape
