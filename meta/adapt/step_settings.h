#pragma once

#include "meta/settings/config.h"

namespace metatape {

/// Refuses settings of gradient steps for a solver without them. Errors: usage.
void refuse_step_settings(const Config&);

}  // namespace metatape
