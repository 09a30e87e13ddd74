#pragma once

#include "meta/method.h"

namespace metatape {

/// (1/T) sum_i g_i.
std::shared_ptr<const Combination> make_mean();

}  // namespace metatape
