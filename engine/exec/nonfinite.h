#pragma once

#include <optional>
#include <string>

#include "engine/op.h"

namespace metatape {

/// Where a value is not finite: `, task 3` for the first such element, counted from `first_task`,
/// or an empty text where all tasks share the value. Nothing if it is finite, or of integers.
std::optional<std::string> place_of_nonfinite(const void* data, const ValueType&,
                                              std::int64_t first_task);

}  // namespace metatape
