#pragma once

#include "meta/config.h"

namespace metatape {

/// Refuses settings of closed-form heads, and of the terms that are defined for them, that make no
/// sense, with the reason.
void check_closed_form(const Config&);

}  // namespace metatape
