#pragma once

#include <cstdint>

#include "engine/tape.h"

namespace metatape {

/// How the outer step size goes from its first value to its last, over the iterations of a run.
enum class Schedule { constant, linear, cosine };

/// last + (lr - last) s(t / iterations) with s(u) = 1, 1 - u or (1 + cos(pi u)) / 2. lr and
/// iteration are floating-point []; cosine: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5.
Var scheduled(Schedule, Var lr, Var iteration, std::int64_t iterations, double last);

}  // namespace metatape
