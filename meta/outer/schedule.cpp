#include "meta/outer/schedule.h"

#include <algorithm>
#include <numbers>

#include "engine/ops.h"

namespace metatape {

Var scheduled(Schedule schedule, Var lr, Var iteration, std::int64_t iterations, double last) {
  if (schedule == Schedule::constant) return lr;
  const Var u = iteration / double(std::max<std::int64_t>(iterations, 1));
  const Var share = schedule == Schedule::linear ? 1.0 - u : 0.5 * cos(u * std::numbers::pi) + 0.5;
  return (lr - last) * share + last;
}

}  // namespace metatape
