#include "engine/exec/nonfinite.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace metatape {
namespace {

/// `count` if all are finite.
template <class T>
std::int64_t first_nonfinite(const void* data, std::int64_t count) {
  const T* x = static_cast<const T*>(data);
  return std::find_if(x, x + count, [](T v) { return !std::isfinite(v); }) - x;
}

}  // namespace

std::optional<std::string> place_of_nonfinite(const void* data, const ValueType& type,
                                              std::int64_t first_task) {
  const std::int64_t count = type.shape.elements();
  std::int64_t element = count;
  if (type.dtype == DType::f32) element = first_nonfinite<float>(data, count);
  if (type.dtype == DType::f64) element = first_nonfinite<double>(data, count);
  if (element == count) return std::nullopt;
  if (type.shape.tasks() == 1) return "";
  return fmt::format(", task {}", first_task + element / type.shape.elements_per_task());
}

}  // namespace metatape
