#pragma once

#include "meta/config.h"

namespace metatape {

/// Refuses settings of the proximal solver, of the meta-gradients that know what it solves, and of
/// differenced Hessian-vector products that make no sense together. Part of check_config().
void check_proximal(const Config&);

}  // namespace metatape
