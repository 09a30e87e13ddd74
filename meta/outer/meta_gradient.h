#pragma once

#include "meta/method/method.h"

namespace metatape {

/// grad_theta of the outer loss through all that led to it, as far as the adaptation keeps it.
std::shared_ptr<const MetaGradient> make_differentiated();

}  // namespace metatape
