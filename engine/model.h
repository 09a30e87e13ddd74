#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/params.h"

namespace metatape {

/// A function with parameters: all that a method needs to know of a network.
struct Model {
  std::string name;
  std::vector<Parameter> parameters;
  std::vector<std::int64_t> input;  ///< extents of one example: [H,W,C] or [features]
  std::int64_t outputs = 0;         ///< logits, or regression outputs, per example
  /// x [N, input...] -> [N, outputs]; parameters and x may have a task extent.
  std::function<Var(const ParamSet&, Var x)> forward;

  std::int64_t parameter_count() const {
    std::int64_t count = 0;
    for (const Parameter& p : parameters) count += p.shape.elements();
    return count;
  }
};

}  // namespace metatape
